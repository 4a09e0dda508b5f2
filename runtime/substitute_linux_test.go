package runtime

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/uring"
	"github.com/weirgo/weir/backends/uring/uringtest"
	"github.com/weirgo/weir/internal/sys"
)

// TestFault45OneOperationDenied: an operation that a filter denies, or that the kernel lacks, falls
// back alone, with the same results; Info names it, and those that failed by themselves it does not
// name.
func TestFault45OneOperationDenied(t *testing.T) {
	all := []struct {
		code   backends.Code
		opcode sys.Opcode
	}{
		{backends.OpRecv, sys.OpRecv}, {backends.OpSend, sys.OpSend}, {backends.OpRecvMsg, sys.OpRecvmsg},
		{backends.OpSendMsg, sys.OpSendmsg},
		{backends.OpRead, sys.OpRead}, {backends.OpWrite, sys.OpWrite}, {backends.OpReadv, sys.OpReadv},
		{backends.OpWritev, sys.OpWritev},
		{backends.OpAccept, sys.OpAccept}, {backends.OpConnect, sys.OpConnect}, {backends.OpShutdown, sys.OpShutdown},
		{backends.OpFsync, sys.OpFsync}, {backends.OpClose, sys.OpClose},
	}
	for _, d := range picked(uringLanes(systemDrives())) {
		t.Run(d.name, func(t *testing.T) {
			if err := (linuxKernel{candidates[0]}).starts(true); err != nil {
				t.Skip(err)
			}
			for _, op := range all {
				for _, denied := range []bool{false, true} {
					cfg := uring.Config{Without: []backends.Code{op.code}}
					if denied {
						cfg = uring.Config{Deny: []sys.Opcode{op.opcode}}
					}
					o := Options{OpenBackend: func(bool) (backends.Backend, error) { return uring.Open(cfg) }}
					r := startRuntime(t, lane{d.name, d.drive, d.kernel}, o)
					everyOperation(r)
					got := r.rt.Info().Fallbacks
					want := []string{op.code.String()}
					if env := os.Getenv("WEIR_URING"); env == "" && !slices.Equal(got, want) {
						t.Errorf("without %s, denied %v: fallbacks are %q", op.code, denied, got)
					}
				}
			}
		})
	}
}

// everyOperation does one of each kind, on files, pipes and sockets, some of which have to wait.
func everyOperation(r *rig) {
	r.Helper()
	do := func(want int, op backends.Op) {
		r.Helper()
		if n, err := r.do(context.Background(), op); err != nil || n != want {
			r.Errorf("%s: %d, %v, want %d", op.Code, n, err, want)
		}
	}
	later := func(f func()) chan struct{} {
		done := make(chan struct{})
		go func() { defer close(done); f() }()
		r.settled(1)
		return done
	}
	buf := make([]byte, 8)
	a, b := r.socketPair()
	waiting := later(func() { do(3, backends.Op{Code: backends.OpRecv, FD: b, Buf: buf}) })
	do(3, backends.Op{Code: backends.OpSend, FD: a, Buf: []byte("abc")})
	<-waiting
	waiting = later(func() { do(6, backends.Op{Code: backends.OpRecv, FD: b, Buf: buf[:6], Flags: unix.MSG_WAITALL}) })
	do(3, backends.Op{Code: backends.OpSend, FD: a, Buf: []byte("def")})
	do(3, backends.Op{Code: backends.OpSendMsg, FD: a, Msg: &backends.Msg{Bufs: [][]byte{[]byte("gh"), []byte("i")}}})
	<-waiting
	if string(buf[:6]) != "defghi" {
		r.Errorf("received %q", buf[:6])
	}
	do(1, backends.Op{Code: backends.OpSend, FD: a, Buf: []byte("x")})
	do(1, backends.Op{Code: backends.OpRecvMsg, FD: b, Msg: &backends.Msg{Bufs: [][]byte{buf}}})

	ctx, cancel := context.WithCancel(context.Background())
	waiting = later(func() {
		if _, err := r.do(ctx, backends.Op{Code: backends.OpRecv, FD: b, Buf: buf}); err != context.Canceled {
			r.Errorf("a receive that was cancelled: %v", err)
		}
	})
	cancel()
	<-waiting
	do(0, backends.Op{Code: backends.OpShutdown, FD: a, Flags: unix.SHUT_WR})
	do(0, backends.Op{Code: backends.OpRecv, FD: b, Buf: buf})

	l, addr := r.listener()
	s := r.socket()
	var fd int
	waiting = later(func() {
		fd, _ = r.do(context.Background(), backends.Op{Code: backends.OpAccept, FD: l, Flags: unix.SOCK_CLOEXEC})
	})
	do(0, backends.Op{Code: backends.OpConnect, FD: s, Addr: addr})
	<-waiting
	if fd == 0 {
		r.Error("accept failed")
	}
	do(0, backends.Op{Code: backends.OpClose, FD: fd})
	if _, err := r.do(context.Background(), backends.Op{Code: backends.OpClose, FD: fd}); err != unix.EBADF {
		r.Errorf("a second close: %v", err)
	}

	f, err := os.Create(filepath.Join(r.TB.(interface{ TempDir() string }).TempDir(), "file"))
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	file := int(f.Fd())
	do(3, backends.Op{Code: backends.OpWrite, FD: file, Buf: []byte("abc"), Off: 0})
	do(3, backends.Op{Code: backends.OpWrite, FD: file, Buf: []byte("ABC"), Off: backends.Stream})
	do(2, backends.Op{Code: backends.OpWritev, FD: file, Bufs: [][]byte{{'d'}, {'e'}}, Off: 3})
	do(0, backends.Op{Code: backends.OpFsync, FD: file})
	do(5, backends.Op{Code: backends.OpRead, FD: file, Buf: buf, Off: 0})
	do(2, backends.Op{Code: backends.OpReadv, FD: file, Bufs: [][]byte{buf}, Off: 3})
	do(2, backends.Op{Code: backends.OpRead, FD: file, Buf: buf, Off: backends.Stream})
	do(0, backends.Op{Code: backends.OpRead, FD: file, Buf: buf, Off: backends.Stream})
	dgram, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.Fatal(err)
	}
	defer unix.Close(dgram)
	if _, err := r.do(context.Background(), backends.Op{Code: backends.OpConnect, FD: dgram,
		Addr: broadcast(r)}); err != unix.EACCES {
		// the operation's own error, for which no operation falls back
		r.Errorf("connecting to a broadcast address: %v, want EACCES", err)
	}
	do(0, backends.Op{Code: backends.OpNop})
	do(unix.POLLOUT, backends.Op{Code: backends.OpPoll, FD: a, Flags: unix.POLLOUT})
}

// broadcast is an address that connect(2) refuses with EACCES.
func broadcast(r *rig) *backends.Sockaddr {
	r.Helper()
	a := new(backends.Sockaddr)
	if err := sys.PutInet(a, unix.AF_INET, netip.MustParseAddrPort("127.255.255.255:9")); err != nil {
		r.Fatal(err)
	}
	return a
}

// TestSubstituteWithdrawn: an operation that waits for its turn on the pool can be cancelled, and
// is not done.
func TestSubstituteWithdrawn(t *testing.T) {
	for _, d := range picked(uringLanes(systemDrives())) {
		t.Run(d.name, func(t *testing.T) {
			if err := (linuxKernel{candidates[0]}).starts(true); err != nil {
				t.Skip(err)
			}
			r := startRuntime(t, d, Options{PoolSize: 1, OpenBackend: func(bool) (backends.Backend, error) {
				return uring.Open(uring.Config{Without: []backends.Code{backends.OpWrite}})
			}})
			f, err := os.Create(filepath.Join(t.TempDir(), "file"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			release, running, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
			b := &Completion{Callback: func(*Completion) Action { close(over); return Disarm }}
			if err := r.l.Blocking(b, func() { close(running); <-release }); err != nil {
				t.Fatal(err)
			}
			<-running
			ctx, cancel := context.WithCancel(context.Background())
			got := make(chan error, 1)
			go func() {
				_, err := r.do(ctx, backends.Op{Code: backends.OpWrite, FD: int(f.Fd()), Buf: []byte("x")})
				got <- err
			}()
			r.settled(2)
			cancel()
			if err := <-got; err != context.Canceled { // while the pool is taken
				t.Errorf("a write that was cancelled in line: %v", err)
			}
			close(release)
			<-over
			if n := r.mustDo(backends.Op{Code: backends.OpWrite, FD: int(f.Fd()), Buf: []byte("yz"), Off: 0}); n != 2 {
				t.Errorf("the next write: %d", n)
			}
			if s, err := f.Stat(); err != nil || s.Size() != 2 {
				t.Errorf("%v, %v", s.Size(), err)
			}
		})
	}
}

// TestMultiAcceptTooOld: where a multishot accept is refused as such (before Linux 5.19)
// connections are accepted one by one, and a socket that does not listen is still told so.
func TestMultiAcceptTooOld(t *testing.T) {
	var refused []backends.ID
	o := withShim(Options{}, func(s *shim) {
		s.submit = func(batch []*backends.Completion) int {
			for i, c := range batch {
				if c.Code == backends.OpAccept && c.Multi {
					refused = append(refused, c.ID)
				} else if s.Backend.Submit(batch[i:i+1]) == 0 {
					return i
				}
			}
			return len(batch)
		}
		s.poll = func(dst []backends.Event, deadline int64) (int, error) {
			if len(refused) == 0 {
				return s.Backend.Poll(dst, deadline)
			}
			n, err := s.Backend.Poll(dst[1:], backends.NoWait)
			dst[0] = backends.Event{ID: refused[0], Res: -int32(unix.EINVAL)}
			refused = refused[1:]
			return n + 1, err
		}
	})
	for _, d := range picked(uringLanes(systemLoops())) {
		t.Run(d.name, func(t *testing.T) {
			r := startLoop(t, d, o)
			l, addr := r.listener()
			var fds []int
			c := r.submit(backends.Op{Code: backends.OpAccept, FD: l, Multi: true, Flags: unix.SOCK_CLOEXEC},
				func(c *Completion) Action {
					if c.More() {
						fds = append(fds, c.N())
					}
					return Rearm
				})
			for i := range 3 {
				r.submit(backends.Op{Code: backends.OpConnect, FD: r.socket(), Addr: addr}, func(c *Completion) Action {
					if c.Err() != nil {
						t.Error(c.Err())
					}
					return Disarm
				})
				r.runUntil("a connection is accepted", func() bool { return len(fds) > i || !c.InFlight() })
			}
			if len(fds) != 3 {
				t.Fatalf("%d connections, then %v", len(fds), c.Err())
			}
			if got := r.l.fallbacks(); !slices.Contains(got, "accept") {
				t.Errorf("fallbacks are %q, without accept", got)
			}
			for _, fd := range fds {
				unix.Close(fd)
			}
			c.Callback = func(*Completion) Action { return Disarm }
			r.l.Cancel(c)
			r.run(UntilDone)
			deaf := r.submit(backends.Op{Code: backends.OpAccept, FD: r.socket(), Multi: true},
				func(*Completion) Action { return Disarm })
			r.run(UntilDone)
			if deaf.Err() != unix.EINVAL {
				t.Errorf("accept of a socket that does not listen: %v, want EINVAL", deaf.Err())
			}
		})
	}
}

// advancing is a backend on the scheduler drive that gets on with each look at its counters.
type advancing struct {
	pollableShim
	looks atomic.Uint64
}

func (a *advancing) Counters() backends.Counters { return backends.Counters{CQEs: a.looks.Add(1)} }

// TestReapingEnds: on the scheduler drive what is over is resolved although the backend goes on to
// have something pending.
func TestReapingEnds(t *testing.T) {
	var resolved atomic.Bool
	o := withShim(Options{}, func(s *shim) { s.after = func() bool { return !resolved.Load() } })
	open := o.OpenBackend
	o.OpenBackend = func(thread bool) (backends.Backend, error) {
		be, err := open(thread)
		if err != nil {
			return nil, err
		}
		return &advancing{pollableShim: be.(pollableShim)}, nil
	}
	for _, d := range picked(systemDrives()) {
		if d.drive != DriveScheduler {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			resolved.Store(true)
			r := startRuntime(t, d, o)
			resolved.Store(false)
			over := make(chan struct{})
			r.submit(nop(), func(*Completion) Action {
				resolved.Store(true)
				close(over)
				return Disarm
			})
			<-over
		})
	}
}

// TestReapingGoesOn: on the scheduler drive what the backend still has when outcomes are resolved
// is reaped afterwards, although no event tells of it.
func TestReapingGoesOn(t *testing.T) {
	var holding, more atomic.Bool
	var held []backends.Event
	o := withShim(Options{}, func(s *shim) {
		s.after = more.Load
		s.poll = func(dst []backends.Event, deadline int64) (int, error) {
			if more.Swap(false) {
				return copy(dst, held), nil
			}
			n, err := s.Backend.Poll(dst, deadline)
			switch {
			case n > 0 && holding.Swap(false):
				held = append(held, dst[:n]...)
				return 0, err
			case n > 0 && len(held) > 0:
				more.Store(true)
			}
			return n, err
		}
	})
	for _, d := range picked(systemDrives()) {
		if d.drive != DriveScheduler {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			held = nil
			r := startRuntime(t, d, o)
			r.mustDo(nop())
			holding.Store(true)
			over := make(chan struct{})
			r.submit(nop(), func(*Completion) Action { close(over); return Disarm })
			r.eventually("an event is held back", func() bool { return !holding.Load() })
			r.mustDo(nop())
			<-over
		})
	}
}

// TestLostWhilePooled: when the backend fails, what the pool has begun is still the pool's: its
// memory is not given back before it is over.
func TestLostWhilePooled(t *testing.T) {
	if len(picked(uringLanes(systemLoops()))) == 0 {
		t.Skip("only a ring lacks operations")
	}
	lost := errors.New("lost on purpose")
	var fail atomic.Bool
	o := withShim(Options{}, func(s *shim) {
		s.poll = func(dst []backends.Event, deadline int64) (int, error) {
			if fail.Load() {
				return 0, lost
			}
			return s.Backend.Poll(dst, deadline)
		}
	})
	uring.Adjust = func(c *uring.Config) { c.Without = append(c.Without, backends.OpOpen) }
	t.Cleanup(func() { uring.Adjust = nil; uringtest.FromEnv() })
	r := startLoop(t, picked(uringLanes(systemLoops()))[0], o)
	r.keep = true
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := backends.PathOf(fifo)
	if err != nil {
		t.Fatal(err)
	}
	c := r.submit(backends.Op{Code: backends.OpOpen, FD: backends.AtCWD, Flags: unix.O_RDONLY | unix.O_CLOEXEC,
		Args: &backends.Args{Path: path}},
		func(*Completion) Action { return Disarm })
	r.run(NoWait)
	for pool := r.l.pool; ; time.Sleep(time.Millisecond) { // until the pool has begun
		pool.mu.Lock()
		waiting := pool.queue.n
		pool.mu.Unlock()
		if waiting == 0 {
			break
		}
	}
	fail.Store(true)
	if err := r.l.Run(UntilDone); !errors.Is(err, lost) {
		t.Errorf("Run: %v", err)
	}
	for range 3 {
		r.l.Run(NoWait)
	}
	if !c.InFlight() {
		t.Error("an open that the pool waits in was given up")
	}
	w, err := unix.Open(fifo, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(w)
	for c.InFlight() {
		r.l.Run(NoWait)
	}
	if c.Err() == nil {
		unix.Close(c.N())
	}
}
