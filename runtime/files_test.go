package runtime

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/fixed"
)

// onFixed makes an operation one on f.
func onFixed(f *FixedFile, op backends.Op) backends.Op {
	op.FD, op.Args = f.FD(), &backends.Args{File: fixed.FileOf(f)}
	return op
}

// TestFixedFile: on every backend, the simulated one included, a file outlives the descriptor it
// was made from, and Close ends what waits on it, what starts on it later, and the file with it.
func TestFixedFile(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		rd, wr := r.pipe()
		f, err := r.rt.RegisterFile(rd)
		if err != nil {
			t.Fatal(err)
		}
		r.closeFD(rd)
		_, registers := r.l.be.(backends.FileRegistrar)
		if f.Registered() != registers || !registers && !errors.Is(f.Reason(), errors.ErrUnsupported) {
			t.Errorf("registered %v: %v", f.Registered(), f.Reason())
		}
		buf := make([]byte, 4)
		got := make(chan error)
		wait := func() {
			if err := fixed.HoldFile(f); err != nil {
				t.Error(err)
			}
			_, err := r.do(context.Background(), onFixed(f, read(0, buf)))
			fixed.DropFile(f)
			got <- err
		}
		go wait()
		r.settled(1)
		r.put(wr, 'x')
		if err := <-got; err != nil || buf[0] != 'x' {
			t.Errorf("read %q: %v", buf, err)
		}
		go wait()
		r.settled(1)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := <-got; err != net.ErrClosed {
			t.Errorf("in flight: %v", err)
		}
		if _, err := r.do(context.Background(), onFixed(f, read(0, buf))); err != net.ErrClosed {
			t.Errorf("one that starts after Close: %v", err)
		}
		if _, err := r.rt.RegisterFile(-1); err == nil {
			t.Error("registered a descriptor that is none")
		}
	})
}

// TestFilesAtTheEnd: a loop that has ended, or ends meanwhile, registers nothing and says so, and
// no caller waits for it.
func TestFilesAtTheEnd(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		rd, _ := r.pipe()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					f, err := r.rt.RegisterFile(rd)
					if err != nil {
						if !errors.Is(err, net.ErrClosed) {
							t.Error(err)
						}
						return
					}
					if err := f.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		if err := r.close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		f := fixed.NewFile(0, 0, nil, nil)
		r.l.registerFileHere(f)
		if _, registers := r.l.be.(backends.FileRegistrar); f.Registered() || registers && f.Reason() != ErrClosed {
			t.Errorf("after the end: %v", f.Reason())
		}
	})
}
