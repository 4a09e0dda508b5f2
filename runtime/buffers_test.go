package runtime

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/weirgo/weir/backends"
)

// TestRegisterAtTheEnd: a loop that has ended, or ends meanwhile, registers nothing and says so,
// and no caller waits for it.
func TestRegisterAtTheEnd(t *testing.T) {
	for _, drive := range []string{DriveThread, DriveScheduler} {
		t.Run(drive, func(t *testing.T) {
			rt, err := New(Options{Drive: drive, Loops: 1})
			if drive == DriveScheduler && errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err) // systems without anything to poll
			}
			if err != nil {
				t.Fatal(err)
			}
			l, err := rt.Any(0)
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for {
						p, err := rt.RegisterBuffers(1, 1)
						if err != nil {
							if !errors.Is(err, net.ErrClosed) {
								t.Error(err)
							}
							return
						}
						b, err := p.Get(context.Background())
						if err != nil || b.Release() != nil || p.Close() != nil {
							t.Error("a pool that is no good:", err)
						}
					}
				})
			}
			if err := rt.Close(); err != nil {
				t.Error(err)
			}
			wg.Wait()
			p := rt.takePool(1, 1)
			if l.register(p); p.Reason() != ErrClosed {
				if _, ok := l.be.(backends.Registrar); ok {
					t.Errorf("after the end: %v", p.Reason())
				}
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
