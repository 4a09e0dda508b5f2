package op_test

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/backends"
	aiort "github.com/weirgo/weir/runtime"
)

// TestFIFOsLetFilesPass: opens of FIFOs that nothing opens the other end of do not hold up opens of
// files, directories and names that do not exist; further FIFOs queue, and can be cancelled.
func TestFIFOsLetFilesPass(t *testing.T) {
	for _, backend := range backendsHere() {
		for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
			t.Run(backend+"/"+drive, func(t *testing.T) {
				r := start(t, aiort.Options{Backend: backend, Drive: drive, Loops: 1, KernelWorkers: 4})
				dir := t.TempDir()
				fifo := func(i int) string { return filepath.Join(dir, fmt.Sprint("fifo", i)) }
				var waiting []*op.Batch
				var opens []*op.Op
				for i := range 8 {
					if err := unix.Mkfifo(fifo(i), 0o600); err != nil {
						t.Fatal(err)
					}
					opens = append(opens, op.Open(op.CWD, fifo(i), unix.O_RDONLY, 0))
					waiting = append(waiting, op.Start(r.l, opens[i]))
				}
				r.ok(op.Timeout(20 * time.Millisecond))
				if err := unix.Symlink(fifo(0), filepath.Join(dir, "link")); err != nil {
					t.Fatal(err)
				}
				for _, o := range []*op.Op{
					op.Open(op.CWD, "/etc/passwd", unix.O_RDONLY, 0), op.Open(op.CWD, dir, unix.O_RDONLY, 0),
					op.Open(op.CWD, filepath.Join(dir, "new"), unix.O_RDWR|unix.O_CREAT, 0o600),
					op.Open(op.CWD, "/dev/null", unix.O_RDONLY|unix.O_NONBLOCK, 0),
				} {
					r.ok(o)
					if o.N <= 2 { // 0 would be what another operation in its place has
						t.Errorf("%v: descriptor %d", o, o.N)
					}
					r.ok(op.Close(o.N))
				}
				r.fails(unix.ENOENT, op.Open(op.CWD, filepath.Join(dir, "none"), unix.O_RDONLY, 0))
				r.fails(unix.ELOOP, op.Open(op.CWD, filepath.Join(dir, "link"), unix.O_RDONLY|unix.O_NOFOLLOW, 0))
				last := op.Start(r.l, op.Open(op.CWD, filepath.Join(dir, "link"), unix.O_RDONLY, 0))
				last.Cancel()
				if err := last.Wait(bg); !errors.Is(err, op.ErrCanceled) {
					t.Errorf("an open that queues, cancelled: %v", err)
				}
				for i := range waiting { // they get in, a few at a time, in an order that is not theirs
					w, err := unix.Open(fifo(i), unix.O_RDWR|unix.O_CLOEXEC, 0)
					if err != nil {
						t.Fatal(err)
					}
					defer unix.Close(w)
				}
				for i, b := range waiting {
					if err := b.Wait(bg); err != nil {
						t.Errorf("fifo %d: %v", i, err)
					}
					unix.Close(opens[i].N)
				}
			})
		}
	}
}

// TestCloseSocketFullPeer: a close ends what other loops have in flight on the descriptor, also on
// one that has as many operations in flight as it may. It used to take that one's refusal for an
// end.
func TestCloseSocketFullPeer(t *testing.T) {
	for _, backend := range backendsHere() {
		for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
			t.Run(backend+"/"+drive, func(t *testing.T) {
				r := start(t, aiort.Options{Backend: backend, Drive: drive, Loops: 2, MaxInFlight: 3})
				p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer unix.Close(p[1])
				peer, err := r.rt.Any(1)
				if err != nil {
					t.Fatal(err)
				}
				errs := make(chan error, 3)
				for range 3 {
					go func() {
						c := &aiort.Completion{Op: backends.Op{Code: backends.OpRecv, FD: p[0], Buf: make([]byte, 1)}}
						err := peer.Do(bg, c)
						errs <- err
					}()
				}
				for limit := time.Now().Add(patience); peer.Stats().Ops["recv"] < 3 && time.Now().Before(limit); {
					time.Sleep(time.Millisecond)
				}
				r.ok(op.CloseSocket(p[0]))
				for range 3 {
					if err := <-errs; !errors.Is(err, net.ErrClosed) {
						t.Errorf("on the peer: %v", err)
					}
				}
			})
		}
	}
}
