//go:build giouring

package ring

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"unsafe"
)

// Both encoders write the same 64 bytes for the same op, whatever the slot held before.
func TestGiouringWritesWhatWeWrite(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		fd, group, target, userData := r.Int32(), uint16(r.Uint32()), r.Uint64(), r.Uint64()
		p := make([]byte, r.IntN(100), 100)
		for name, encode := range map[string]func(e preparer, s *SQE){
			"nop":        func(e preparer, s *SQE) { e.nop(s, userData) },
			"accept":     func(e preparer, s *SQE) { e.accept(s, fd, userData) },
			"acceptOnce": func(e preparer, s *SQE) { e.acceptOnce(s, fd, userData) },
			"recv":       func(e preparer, s *SQE) { e.recv(s, fd, group, userData) },
			"recvMulti":  func(e preparer, s *SQE) { e.recvMulti(s, fd, group, userData) },
			"send":       func(e preparer, s *SQE) { e.send(s, fd, p, userData) },
			"connect":    func(e preparer, s *SQE) { e.connect(s, fd, p, userData) },
			"cancel":     func(e preparer, s *SQE) { e.cancel(s, target, userData) },
			"cancelAny":  func(e preparer, s *SQE) { e.cancelAny(s, userData) },
			"read":       func(e preparer, s *SQE) { e.read(s, fd, p, userData) },
			"pollMulti":  func(e preparer, s *SQE) { e.pollMulti(s, fd, userData) },
		} {
			ours, theirs := dirty(r), dirty(r)
			encode(ownEncoder{}, ours)
			encode(giouringEncoder{}, theirs)
			if !bytes.Equal(rawBytes(ours), rawBytes(theirs)) {
				t.Fatalf("%s:\nours     %x\ngiouring %x", name, rawBytes(ours), rawBytes(theirs))
			}
		}
	}
}

// preparer is what both encoders have: one method for each op in use.
type preparer interface {
	nop(s *SQE, userData uint64)
	accept(s *SQE, fd int32, userData uint64)
	acceptOnce(s *SQE, fd int32, userData uint64)
	recv(s *SQE, fd int32, group uint16, userData uint64)
	recvMulti(s *SQE, fd int32, group uint16, userData uint64)
	send(s *SQE, fd int32, p []byte, userData uint64)
	connect(s *SQE, fd int32, sockaddr []byte, userData uint64)
	cancel(s *SQE, target, userData uint64)
	cancelAny(s *SQE, userData uint64)
	read(s *SQE, fd int32, p []byte, userData uint64)
	pollMulti(s *SQE, fd int32, userData uint64)
}

// dirty is an entry as another op has left it.
func dirty(r *rand.Rand) *SQE {
	s := new(SQE)
	for i := range rawBytes(s) {
		rawBytes(s)[i] = byte(r.Uint32())
	}
	return s
}

func rawBytes(s *SQE) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(s)), 64) }

// A canary: when giouring links without the flag, the flag can go from the README and from CI.
func TestGiouringNeedsTheLinkerFlag(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not here: install Go")
	}
	cmd := exec.Command(goTool, "build", "-tags", "giouring", "-o", os.DevNull, "../examples/echo")
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("invalid reference to syscall.munmap")) {
		t.Errorf("go build without -checklinkname=0: %v\n%s", err, out)
	}
}
