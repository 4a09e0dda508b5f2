package epoll

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/backendtest"
	"github.com/weirgo/weir/internal/sys/systest"
)

func open(t testing.TB, cfg Config) *Backend {
	t.Helper()
	b, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Both bindings pass the suite, with epoll_pwait2 and without, and with a pool that does one thing
// at a time.
func TestConformance(t *testing.T) {
	for _, thread := range []bool{true, false} {
		for _, cfg := range []Config{{}, {coarse: true}, {Workers: 1}} {
			t.Run(fmt.Sprintf("thread=%v,coarse=%v,workers=%d", thread, cfg.coarse, cfg.Workers), func(t *testing.T) {
				backendtest.Run(t, backendtest.OS(thread, func(t testing.TB, _, _ int) backends.Backend {
					return open(t,
						cfg)
				}))
			})
		}
	}
}

// The suite passes on what is left where an old kernel, or a container's filter, denies the newer
// system calls. Fault 64.
func TestFault64Denied(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			backendtest.Run(t, backendtest.OS(true, func(t testing.TB, _, _ int) backends.Backend {
				systest.Deny(t, systest.Rule{Call: unix.SYS_EPOLL_PWAIT2, Errno: errno},
					systest.Rule{Call: unix.SYS_PREADV2, Errno: errno}, systest.Rule{Call: unix.SYS_PWRITEV2,
						Errno: errno})
				b := open(t, Config{})
				if b.Detail() != "epoll_pwait" {
					t.Errorf("Detail: %q", b.Detail())
				}
				return b
			}))
		})
	}
}
