package h2

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/percore/percore/runtime"
)

// TestNoFrameIsLost sends numbered PINGs in many small writes, faster than a connection's share of a turn: each is
// answered, in its order.
func TestNoFrameIsLost(t *testing.T) {
	onDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		addr := serve(t, rt, &Server{Handler: HandlerFunc(testHandler)}, nil)
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		const pings = 50000
		go func() {
			out := append([]byte(Preface), appendSettings(nil, new(initialSettings()))...)
			size := 1
			for i := range uint64(pings) {
				out = appendPing(out, false, [8]byte(binary.BigEndian.AppendUint64(nil, i)))
				if size = (size*7 + 13) % 1500; len(out) > size || i == pings-1 {
					nc.Write(out)
					out = out[:0]
				}
			}
		}()
		nc.SetReadDeadline(time.Now().Add(20 * time.Second))
		for want := uint64(0); want < pings; {
			var head [frameHeaderLen]byte
			if _, err := io.ReadFull(nc, head[:]); err != nil {
				t.Fatalf("after %d answers: %v", want, err)
			}
			h := parseFrameHeader(head[:])
			payload := make([]byte, h.Length)
			if _, err := io.ReadFull(nc, payload); err != nil {
				t.Fatal(err)
			}
			if h.Type == FramePing {
				if got := binary.BigEndian.Uint64(payload); got != want {
					t.Fatalf("answer %d, want %d", got, want)
				}
				want++
			}
		}
	})
}
