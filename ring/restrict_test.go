package ring

import (
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A restricted ring does what percore asks of one, and refuses everything else.
func TestRestrictedRing(t *testing.T) {
	onThread(t, Config{Restrict: true}, func(r *Ring) {
		const opOpenat, opFsync, sqeAsync = 18, 3, 1 << 4
		for name, x := range map[string]struct {
			entry SQE
			want  int32
		}{
			"nop":              {SQE{Opcode: opNop, FD: -1}, 0},
			"openat":           {SQE{Opcode: opOpenat, FD: -1}, -int32(unix.EACCES)},
			"fsync":            {SQE{Opcode: opFsync, FD: -1}, -int32(unix.EACCES)},
			"nop, IOSQE_ASYNC": {SQE{Opcode: opNop, FD: -1, Flags: sqeAsync}, -int32(unix.EACCES)},
		} {
			*r.NextSQE() = x.entry
			if errno := r.Wait(time.Second); errno != 0 {
				t.Fatal(name, errno)
			}
			var out [1]CQE
			if r.Copy(out[:]) != 1 || out[0].Res != x.want {
				t.Errorf("%s: %+v, want %d", name, out[0], x.want)
			}
		}
		if _, errno := r.register(registerProbe, unsafe.Pointer(registerArg[probe](r)), 256); errno != unix.EACCES {
			t.Errorf("IORING_REGISTER_PROBE: %v", errno)
		}
		b, err := r.OpenBufRing(BufRingConfig{Group: 3, Size: 64, Count: 2, Max: 8})
		if err != nil {
			t.Fatal(err)
		}
		if n := b.Grow(); n != 4 {
			t.Errorf("grown to %d buffers", n)
		}
	})
}
