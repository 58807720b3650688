//go:build invariants

package uring

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

func TestABufferIsGivenBackOnce(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(ends[0])
		defer unix.Close(ends[1])
		d.Submit(driver.Op{Code: driver.Recv, FD: int32(ends[0]), Token: token(kindRecv, 1)})
		if _, err := unix.Write(ends[1], []byte("x")); err != nil {
			t.Fatal(err)
		}
		bid := int32(driver.NoBuffer)
		await(t, d, "the data", func(c driver.Completion) bool { bid = c.Bid; return true })
		d.Recycle(bid)
		defer func() {
			if recover() == nil {
				t.Errorf("buffer %d was taken back twice", bid)
			}
		}()
		d.Recycle(bid)
	})
}
