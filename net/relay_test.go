package corenet_test

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// readAll takes what the peer has received so far.
func readAll(p *sim.Peer) []byte {
	got, _ := drainPeer(p)
	return got
}

// A proxy between two connections of a core: a receiver that stops reading stops the sender, nothing is lost or
// reordered, and io.Copy counts every byte once.
func TestRelayThroughASlowReceiver(t *testing.T) {
	for seed := range uint64(20) {
		s := newSimSeed(t, seed, coreruntime.Config{BufferSize: 512, Buffers: 64})
		src, from := s.conn(corenet.ConnConfig{})
		dst, to := s.conn(corenet.ConnConfig{OutBufferMax: 4096})
		var n int64
		var err error
		s.Go("proxy", func() {
			n, err = io.Copy(dst, src)
			_ = dst.CloseWrite()
		})
		want := pattern(1 << 20)
		var got []byte
		for rest := want; len(got) < len(want); {
			k := 0
			if len(rest) > 0 {
				var werr error
				if k, werr = from.Write(rest[:min(len(rest), 10_000)]); werr != nil {
					t.Fatal(werr)
				}
				if rest = rest[k:]; len(rest) == 0 {
					_ = from.CloseWrite()
				}
			}
			s.settle()
			if k == 0 { // the whole way is full, or everything is on it: only now the receiver reads
				got = append(got, readAll(to)...)
			}
		}
		s.settle()
		if n != int64(len(want)) || err != nil {
			t.Fatalf("seed %d: copied %d, %v", seed, n, err)
		}
		wantBytes(t, got, want)
		_ = src.Close()
		_ = dst.Close()
		from.Close()
		to.Close()
		s.settle()
	}
}

// Bytes that come after the copying task was canceled or timed out belong to the next reader.
func TestRelayEndsWithItsTask(t *testing.T) {
	for _, end := range []string{"cancel", "deadline"} {
		t.Run(end, func(t *testing.T) {
			s := newSimSeed(t, 0, coreruntime.Config{})
			src, from := s.conn(corenet.ConnConfig{})
			dst, to := s.conn(corenet.ConnConfig{})
			var n int64
			var err error
			if end == "deadline" {
				_ = src.SetReadDeadline(time.Now().Add(time.Second))
			}
			task := s.Go("copy", func() { n, err = io.Copy(dst, src) })
			s.settle()
			mustWrite(t, from, []byte("before"))
			s.settle()
			want := error(os.ErrDeadlineExceeded)
			if end == "cancel" {
				task.Cancel(nil)
				want = context.Canceled
			} else {
				s.pass(3 * time.Second)
			}
			mustWrite(t, from, []byte("after")) // with the cancel: in the same turn
			s.settle()
			if n != 6 || !errors.Is(err, want) {
				t.Fatalf("copied %d, %v", n, err)
			}
			if got := string(readAll(to)); got != "before" {
				t.Fatalf("the receiver got %q", got)
			}
			_ = src.SetReadDeadline(time.Time{})
			buf := make([]byte, 16)
			var k int
			s.task(func() { k, err = src.Read(buf) })
			if string(buf[:k]) != "after" || err != nil {
				t.Fatalf("the next reader got %q, %v", buf[:k], err)
			}
			_ = src.Close()
			_ = dst.Close()
			from.Close()
			to.Close()
			s.settle()
		})
	}
}

// A broken receiver ends the copy with its error, also when the break is met without the task.
func TestRelayToABrokenReceiver(t *testing.T) {
	s := newSimSeed(t, 0, coreruntime.Config{})
	src, from := s.conn(corenet.ConnConfig{})
	dst, to := s.conn(corenet.ConnConfig{})
	var err error
	ended := false
	s.Go("copy", func() { _, err = io.Copy(dst, src); ended = true })
	s.settle()
	_ = to.Reset()
	for range 3 {
		mustWrite(t, from, []byte("x"))
		s.settle()
	}
	if !ended || err == nil {
		t.Fatalf("ended %v, %v", ended, err)
	}
	_ = src.Close()
	_ = dst.Close()
	from.Close()
	s.settle()
}

// Another task may still write between the relayed bytes, and none of its own writes is torn.
func TestRelayLeavesRoomForOtherWriters(t *testing.T) {
	s := newSimSeed(t, 0, coreruntime.Config{})
	src, from := s.conn(corenet.ConnConfig{})
	dst, to := s.conn(corenet.ConnConfig{})
	s.Go("copy", func() { _, _ = io.Copy(dst, src) })
	s.settle()
	mustWrite(t, from, []byte("<"))
	s.settle()
	var err error
	s.task(func() { _, err = dst.Write([]byte("hello")) })
	mustWrite(t, from, []byte(">"))
	s.settle()
	if got := string(readAll(to)); got != "<hello>" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	_ = src.Close()
	_ = dst.Close()
	from.Close()
	to.Close()
	s.settle()
}
