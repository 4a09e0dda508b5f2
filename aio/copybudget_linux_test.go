//go:build !weir_portable

package aio

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirgo/weir/internal/fd"
	"github.com/weirgo/weir/internal/prefetch"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

// budgetLane is a lane whose calls wait as goroutines do, with a budget of calls in a row.
type budgetWaiter struct {
	loop  *aiort.Loop
	left  int // calls until others must have had their turn
	calls int
	turns int // of others: waits on the loop
}

const budget = 4

func (l *budgetWaiter) Loop() *aiort.Loop  { return l.loop }
func (l *budgetWaiter) CheckCaller() error { return nil }
func (l *budgetWaiter) Yield() bool        { return false }

func (l *budgetWaiter) MayTry(bool) bool {
	if l.left == 0 {
		return false
	}
	l.left--
	l.calls++
	return true
}

func (l *budgetWaiter) Retry(fd.Try, int, []byte, [3]prefetch.Addr) (int, bool) { return 0, false }

func (l *budgetWaiter) Do(ctx context.Context, c *aiort.Completion) error {
	l.turns++
	l.left = budget
	return l.loop.Do(ctx, c)
}

func (l *budgetWaiter) Wait(_ context.Context, arm func(wake func()), _ func() bool) error {
	woken := make(chan struct{})
	arm(func() { close(woken) })
	<-woken
	return nil
}

// TestCopyBudget guards that a copy in the kernel in a view, of a file or between sockets, lets
// others run after as many calls in a row as other calls may make, and moves a bounded number of
// bytes with each; and that those of goroutines do not.
func TestCopyBudget(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("the lane of this test is not on its loop's thread, which the race detector reports")
	}
	for _, drive := range []string{"auto", "thread", "scheduler"} {
		t.Run(drive, func(t *testing.T) {
			lib, err := New(Options{Drive: drive, Backend: os.Getenv("WEIR_BACKEND")})
			if err != nil {
				t.Skip(err)
			}
			defer lib.Close()
			const size = 64 * fd.ViewChunk
			path := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := lib.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			pair := func() (c *TCPConn, peer net.Conn) {
				dialed, err := lib.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				if peer, err = ln.Accept(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { dialed.Close(); peer.Close() })
				return dialed.(*TCPConn), peer
			}
			to, sink := pair()
			from, source := pair()
			go io.Copy(io.Discard, sink)
			view := func(c *TCPConn) (*TCPConn, *budgetWaiter) {
				loop, _, err := lib.rt.Place(true)
				if err != nil {
					t.Fatal(err)
				}
				l := &budgetWaiter{loop: loop, left: budget}
				v, _ := fd.MakeView(l, c)
				return v.(*TCPConn), l
			}
			check := func(what string, l *budgetWaiter, moved int64, err error) {
				t.Helper()
				if err != nil || moved != size {
					t.Errorf("%s: %d bytes, %v", what, moved, err)
				}
				if l.calls+l.turns < size/fd.ViewChunk || l.turns < size/fd.ViewChunk/(budget+1)-1 {
					t.Errorf("%s: %d bytes in %d calls, others had %d turns", what, moved, l.calls, l.turns)
				}
			}
			v, l := view(to)
			n, err := v.ReadFrom(f)
			check("file", l, n, err)

			go func() {
				source.Write(make([]byte, size))
				source.(*net.TCPConn).CloseWrite()
			}()
			v, l = view(to)
			src, in := view(from)
			n, err = v.ReadFrom(src)
			check("from a socket, sending", l, n, err)
			check("from a socket, receiving", in, n, err)
		})
	}
}
