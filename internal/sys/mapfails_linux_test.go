//go:build !(386 || arm || mips || mipsle)

package sys

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys/systest"
)

// A NewRing that fails half-way leaves nothing behind. (32-bit systems have another system call for
// mappings.)
func TestMapFails(t *testing.T) {
	open(t, 8, 0, 0)
	for _, offset := range []uint32{OffSQRing, OffSQEs} {
		t.Run("", func(t *testing.T) {
			next, err := unix.Dup(0) // the descriptor that the ring will have
			if err != nil {
				t.Fatal(err)
			}
			unix.Close(next)
			systest.Deny(t, systest.Rule{Call: unix.SYS_MMAP, Errno: syscall.ENOMEM, If: []systest.Arg{
				{N: 4, Value: uint32(next)}, {N: 5, Value: offset},
			}})
			fds, maps := held(t)
			r, err := NewRing(8, 0, 0)
			if !errors.Is(err, syscall.ENOMEM) || r != nil || !strings.Contains(err.Error(), "mmap") {
				t.Errorf("NewRing without memory for its queues: %v, want an ENOMEM that names mmap", err)
			}
			checkHeld(t, fds, maps)
		})
	}
}
