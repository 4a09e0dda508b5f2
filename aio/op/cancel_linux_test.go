package op_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

// Everything that waits can be cancelled while it does.
func TestCancelPending(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		rd, _ := r.pipe()
		a, _ := r.pair()
		full, _ := r.pair()
		for {
			if _, err := unix.Write(full, make([]byte, 4096)); err != nil {
				break
			}
		}
		l, conn := r.listen()
		defer unix.Close(conn)
		r.accept(l)
		buf := make([]byte, 1<<20)
		word := new(atomic.Uint32)
		for _, o := range []*op.Op{
			op.Read(rd, buf, op.Stream), op.Readv(rd, [][]byte{buf}, op.Stream), op.Recv(a, buf, 0),
			op.Recv(a, buf, unix.MSG_WAITALL),
			op.RecvMsg(a, &op.Msg{Bufs: [][]byte{buf}}, 0), op.Send(full, buf, 0),
			op.SendMsg(full, &op.Msg{Bufs: [][]byte{buf}}, 0),
			op.Accept(l, 0), op.Poll(rd, unix.POLLIN), op.Timeout(long), op.EventWait(new(op.Event)),
			op.FutexWait(word, 0, true),
			op.Splice(rd, op.Stream, full, op.Stream, 10, 0),
		} {
			for range 2 {
				b := op.Start(r.l, o)
				time.Sleep(short / 5)
				b.Cancel()
				if err := b.Wait(bg); errors.Is(err, unix.EOPNOTSUPP) {
					break // a futex, on a backend that cannot wait for one
				} else if o.Err != op.ErrCanceled || !errors.Is(err, context.Canceled) || o.N != 0 {
					t.Errorf("%v: %d, %v; Wait: %v", o, o.N, o.Err, err)
				}
				ctx, cancel := context.WithTimeout(bg, short/5)
				err := op.Do(ctx, r.l, o)
				if errors.Is(err, unix.EOPNOTSUPP) {
					cancel()
					break
				}
				late := o.Err == context.DeadlineExceeded // it was over before anything was submitted
				if !errors.Is(err, context.DeadlineExceeded) || o.Err != op.ErrCanceled && !late {
					t.Errorf("%v with a context: %v, Do: %v", o, o.Err, err)
				}
				cancel()
			}
		}
	})
}

func (r *on) accept(l int) {
	r.Helper()
	o := op.Accept(l, 0)
	r.ok(o)
	unix.Close(o.N)
}

// A cancellation and what it is to end race: each operation was either cancelled, and then nothing
// happened, or done, and then all of it did. Bytes are neither lost nor doubled.
func TestCancelOrDone(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		rd, wr := r.pipe()
		done, cancelled := 0, 0
		for i := range 300 {
			buf := make([]byte, 1)
			read := op.Read(rd, buf, op.Stream)
			b := op.Start(r.l, read)
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := unix.Write(wr, []byte{byte(i)}); err != nil {
					t.Error(err)
				}
			})
			if i%3 > 0 {
				wg.Go(b.Cancel)
			} else {
				b.Cancel()
			}
			wg.Wait()
			<-b.Done()
			switch {
			case read.Err == nil && read.N == 1 && buf[0] == byte(i):
				done++
			case read.Err == op.ErrCanceled && buf[0] == 0:
				cancelled++
				if n, err := unix.Read(rd, buf); n != 1 || buf[0] != byte(i) {
					t.Fatalf("round %d was cancelled, and the byte is gone: %d, %v", i, n, err)
				}
			default:
				t.Fatalf("round %d: %d, %v, %v", i, read.N, read.Err, buf)
			}
		}
		t.Logf("%d done, %d cancelled", done, cancelled)
	})
}

// Operations that make descriptors and are cancelled at any time: what is there is in N, and
// nothing else is open after.
func TestLateDescriptors(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		l, conn := r.listen()
		unix.Close(conn)
		name, err := unix.Getsockname(l)
		if err != nil {
			t.Fatal(err)
		}
		r.accept(l)
		before := len(openFDs(t))
		made := 0
		for i := range 300 {
			var client sync.WaitGroup
			client.Go(func() {
				fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				if err == nil {
					err = errors.Join(unix.Connect(fd, name), unix.Close(fd))
				}
				if err != nil {
					t.Error(err)
				}
			})
			ops := []*op.Op{op.Accept(l, 0), op.Open(op.CWD, "/proc/self/status", unix.O_RDONLY, 0),
				op.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)}
			p := op.Pipe(0)
			b := op.Start(r.l, append(ops, p)...)
			for range i % 20 {
				runtime.Gosched()
			}
			b.Cancel()
			<-b.Done()
			client.Wait()
			for _, o := range ops {
				if o.Err == nil {
					made++
					unix.Close(o.N)
				} else if o.Err != op.ErrCanceled {
					t.Errorf("%v: %v", o, o.Err)
				}
			}
			if p.Err == nil {
				rd, wr := p.Ends()
				unix.Close(rd)
				unix.Close(wr)
			}
			if ops[0].Err != nil { // then the connection still waits
				r.accept(l)
			}
		}
		if after := len(openFDs(t)); after != before {
			t.Errorf("%d descriptors were open, and %d are: %d were made", before, after, made)
		}
	})
}

// The memory of operations in flight survives collections and the growth of the stacks of the
// goroutines that made them. What was given to the operations arrives unharmed, although only the
// operation refers to it.
func TestMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	stop := make(chan struct{})
	var garbage sync.WaitGroup
	garbage.Go(func() {
		for keep := make([][]byte, 64); ; {
			select {
			case <-stop:
				return
			default:
				for i := range keep {
					keep[i] = make([]byte, 32<<rand.IntN(8))
					for j := range keep[i] {
						keep[i][j] = 0xee
					}
				}
				runtime.GC()
			}
		}
	})
	defer garbage.Wait()
	defer close(stop)
	each(t, func(t *testing.T, r *on) {
		dir := t.TempDir()
		for range 10 {
			a, b := r.pair()
			l, err := net.Listen("unix", filepath.Join(dir, "s"))
			if err != nil {
				t.Fatal(err)
			}
			// Started on a small stack, which then grows, while the list waits behind a timeout.
			batch, check := make(chan *op.Batch), make(chan func() bool)
			go func() {
				ops, f := fragile(dir, a, b)
				started := op.Start(r.l, ops...)
				grow(1000)
				batch <- started
				check <- f
			}()
			if err := (<-batch).Wait(bg); err != nil {
				t.Error(err)
			}
			if f := <-check; !f() {
				t.Error("something else arrived")
			}
			l.Close()
		}
	})
}

// fragile is operations with all kinds of memory, behind a timeout, and what is to hold when they
// are over.
//
//go:noinline
func fragile(dir string, a, b int) ([]*op.Op, func() bool) {
	text := func(s string) []byte { return []byte(s) }
	name := filepath.Join(dir, "file")
	recv := &op.Msg{Bufs: [][]byte{make([]byte, 3), make([]byte, 10)}, Control: make([]byte, 64),
		Addr: &backends.Sockaddr{Len: 128}}
	got := [2][]byte{make([]byte, 6), make([]byte, 6)}
	st := new(op.Stat)
	sock := op.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	file := op.Open(op.CWD, name, unix.O_CREAT|unix.O_TRUNC|unix.O_RDWR, 0o600)
	wait := func() *op.Op { return op.Timeout(short).Link() }
	ops := []*op.Op{
		wait(), op.SendMsg(a, &op.Msg{Bufs: [][]byte{text("mess"), text("age")}}, 0).Link(), op.RecvMsg(b, recv, 0),
		wait(), file.Link(), op.Writev(-1, [][]byte{text("vec"), text("tor")}, 0).From(file).Link(),
		op.Readv(-1, [][]byte{got[0][:2], got[0][2:]}, 0).From(file).Link(), op.Statx(op.CWD, name, 0, unix.STATX_SIZE,
			st).Link(),
		op.Rename(op.CWD, name, op.CWD, name+"2", 0).Link(), op.Unlink(op.CWD, name+"2").LinkAlways(),
		op.Close(-1).From(file),
		wait(), sock.Link(), op.Connect(-1, &net.UnixAddr{Name: filepath.Join(dir, "s")}).From(sock).LinkAlways(),
		op.Close(-1).From(sock),
	}
	return ops, func() bool {
		return string(recv.Bufs[0])+string(recv.Bufs[1][:4]) == "message" && string(got[0]) == "vector" && st.Size == 6
	}
}

//go:noinline
func grow(n int) int {
	var pad [256]byte
	if n == 0 {
		return int(pad[0])
	}
	return grow(n-1) + int(pad[n%256])
}

// Nothing is allocated for operations that are used again.
func TestAllocs(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	each(t, func(t *testing.T, r *on) {
		fd, _ := r.file("0123456789")
		rd, wr := r.pipe()
		a, b := r.pair()
		m := &op.Msg{Bufs: [][]byte{make([]byte, 4)}}
		ops := []*op.Op{
			op.Nop(), op.Read(fd, make([]byte, 4), 0).Link(), op.Write(fd, make([]byte, 4), 0), op.Timeout(1),
			op.Write(wr, []byte("x"), op.Stream).Link(), op.LinkTimeout(long).Link(),
			op.Read(rd, make([]byte, 1), op.Stream),
			op.Send(a, []byte("x"), 0).Link(), op.Recv(b, make([]byte, 1), 0),
			op.SendMsg(a, &op.Msg{Bufs: [][]byte{{1}}}, 0).Link(), op.RecvMsg(b, m, 0), op.Poll(a, unix.POLLOUT),
			op.Statx(op.CWD, "/", 0, 0, new(op.Stat)), op.Fadvise(fd, 0, 0, 0),
		}
		ops[2].SetOffset(5)
		ops[1].SetBuf(make([]byte, 4))
		all := ops[:7]
		for _, o := range ops[7:11] { // one after the other, since they share the pair
			all = append(all, o)
			o.LinkAlways()
		}
		all = append(all, ops[11:]...)
		for range 100 { // what is made once
			r.ok(all...)
		}
		n := testing.AllocsPerRun(200, func() { r.ok(all...) })
		limit := 1.0 // less than that: other goroutines of the backend's may allocate now and then
		if sys.Tested {
			limit += 2 // for Statx, which tells go test of the file by way of package os
		}
		if n >= limit {
			t.Errorf("%v allocations for %d operations", n, len(all))
		}
	})
}

// Opening FIFOs that have no other end blocks threads. However many do, files and further opens
// without waiting go on, and a cancellation ends those that wait, where the backend can.
func TestFIFOs(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		dir := t.TempDir()
		fifo := filepath.Join(dir, "fifo")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		const n = 200
		var ops []*op.Op
		for range n {
			ops = append(ops, op.Open(op.CWD, fifo, unix.O_RDONLY, 0))
		}
		flying := op.Start(r.l, ops...)
		fd, _ := r.file("x")
		for range 20 {
			o := op.Open(op.CWD, dir, unix.O_RDONLY|unix.O_NONBLOCK, 0)
			r.ok(op.Fsync(fd), op.Fdatasync(fd), op.Ftruncate(fd, 1), op.Statx(op.CWD, dir, 0, 0, new(op.Stat)), o)
			r.ok(op.Close(o.N))
		}
		// Both ends accept everything. Operations that wait behind the bound, and those that can be
		// ended where they are, are cancelled.
		flying.Cancel()
		for {
			select {
			case <-flying.Done():
			case <-time.After(short):
				w, err := unix.Open(fifo, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
				if err == nil {
					unix.Close(w)
				}
				continue
			}
			break
		}
		opened := 0
		for _, o := range ops {
			switch o.Err {
			case nil:
				opened++
				unix.Close(o.N)
			case op.ErrCanceled:
			default:
				t.Error(o.Err)
			}
		}
		if most := 64 / 2; opened > most { // half of Options.KernelWorkers
			t.Errorf("%d were opened, so more than %d waited at a time", opened, most)
		}
		t.Logf("%d of %d were opened", opened, n)
	})
}

// A close ends what is in flight on the descriptor first, so that the file really closes: its peer
// sees the end.
func TestCloseSocketInUse(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		for range 20 {
			p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 10)
			ops := []*op.Op{op.Recv(p[0], buf, 0), op.Poll(p[0], unix.POLLIN), op.Read(p[0], make([]byte, 1),
				op.Stream)}
			flying := op.Start(r.l, ops...)
			end := op.Recv(p[1], make([]byte, 1), 0)
			r.ok(end, op.CloseSocket(p[0]))
			if end.N != 0 {
				t.Error("the peer received", end.N)
			}
			<-flying.Done()
			for _, o := range ops {
				if !errors.Is(o.Err, net.ErrClosed) {
					t.Errorf("%v: %d, %v", o, o.N, o.Err)
				}
			}
			unix.Close(p[1])
		}
	})
}

// Closing the runtime ends everything: what was in flight and what has not started, on its way or
// waiting for room.
func TestClose(t *testing.T) {
	for _, backend := range backendsHere() {
		for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
			t.Run(backend+"/"+drive, func(t *testing.T) {
				// as many of first need room
				rt, err := aiort.New(aiort.Options{Backend: backend, Drive: drive, Loops: 1, MaxInFlight: 4})
				if err != nil {
					t.Skip(err)
				}
				l, err := rt.AnyWorker(0)
				if err != nil {
					t.Fatal(err)
				}
				e := new(op.Event)
				first := []*op.Op{op.Timeout(long).LinkAlways(), op.Nop().Link(), op.Nop(), op.EventWait(e),
					op.Timeout(long).Link(), op.LinkTimeout(2 * long).Link(), op.Nop()}
				flying := op.Start(l, first...)
				if busy := op.Start(l, op.Nop(), op.Nop(), op.Nop(), op.Nop()); !errors.Is(busy.Wait(bg),
					aiort.ErrBusy) {
					t.Error("beyond the limit:", busy.Wait(bg))
				}
				many := make([]*op.Op, 11)
				for i := range many {
					many[i] = op.Nop()
				}
				if err := op.Do(bg, l, many...); !errors.Is(err, aiort.ErrBusy) {
					t.Error("more than there may ever be:", err)
				}
				waiting := make(chan error)
				go func() { waiting <- op.Do(bg, l, op.Nop(), op.Nop(), op.Nop(), op.Nop()) }()
				ctx, cancel := context.WithTimeout(bg, short)
				if err := op.Do(ctx, l, many[:3]...); !errors.Is(err, context.DeadlineExceeded) {
					t.Error("waiting for room:", err)
				}
				cancel()
				if err := rt.Close(); err != nil {
					t.Error(err)
				}
				if err := <-waiting; !errors.Is(err, net.ErrClosed) {
					t.Error("one that waited for room:", err)
				}
				if err := flying.Wait(bg); !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				for i, o := range first {
					if i != 5 && !errors.Is(o.Err, net.ErrClosed) {
						t.Errorf("operation %d: %v", i, o.Err)
					}
				}
				if err := op.Do(bg, l, op.Nop()); !errors.Is(err, net.ErrClosed) {
					t.Error("after Close:", err)
				}
				if err := op.Start(l, op.Nop()).Wait(bg); !errors.Is(err, net.ErrClosed) {
					t.Error("after Close:", err)
				}
			})
		}
	}
}

// Notifications of an Event are neither lost nor doubled, whichever goroutines wait, give up or are
// cancelled.
func TestEventStorm(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		e := new(op.Event)
		const n = 500
		var passed atomic.Int64
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(1, uint64(g)))
				for passed.Load() < n {
					w := op.EventWait(e)
					switch rng.IntN(3) {
					case 0:
						b := op.Start(r.l, w)
						b.Cancel()
						<-b.Done()
					case 1:
						r.do(w.Link(), op.LinkTimeout(time.Duration(rng.IntN(200))*time.Microsecond))
					default:
						r.do(op.Nop().Link(), w.Link(), op.LinkTimeout(short))
					}
					if w.Err == nil {
						passed.Add(1)
					}
				}
			})
		}
		for i := range n {
			if i%2 == 0 {
				e.Notify()
			} else {
				r.ok(op.EventNotify(e))
			}
		}
		wg.Wait()
		if left := r.do(op.EventWait(e).Link(), op.LinkTimeout(short)); passed.Load() != n ||
			!errors.Is(left, os.ErrDeadlineExceeded) {
			t.Errorf("%d notifications, %d passed, and then %v", n, passed.Load(), left)
		}
	})
}

// Cancellations, closes and events reach what is in flight on other loops of the same runtime.
func TestOtherLoops(t *testing.T) {
	for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
		t.Run(drive, func(t *testing.T) {
			rt, err := aiort.New(aiort.Options{Drive: drive, Loops: 3})
			if err != nil {
				t.Skip(err)
			}
			defer rt.Close()
			var loops []*aiort.Loop
			for i := range uint32(3) {
				l, err := rt.AnyWorker(i)
				if err != nil {
					t.Fatal(err)
				}
				loops = append(loops, l)
			}
			for i := range 20 {
				p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
				if err != nil {
					t.Fatal(err)
				}
				recv, poll, here := op.Recv(p[0], make([]byte, 1), 0), op.Poll(p[0], unix.POLLIN),
					op.Read(p[0], make([]byte, 1), op.Stream)
				sleep, e := op.Timeout(long), new(op.Event)
				wait := op.EventWait(e)
				flying := []*op.Batch{op.Start(loops[1], recv), op.Start(loops[2], poll.Link(), sleep, wait),
					op.Start(loops[0], here)}
				if i%2 == 0 {
					time.Sleep(short / 10)
				}
				end := op.Recv(p[1], make([]byte, 1), 0)
				if err := op.Do(bg, loops[0], op.EventNotify(e), op.CloseSocket(p[0]).Link(),
					op.Cancel(poll).LinkAlways(), op.Cancel(sleep), end); err != nil && !errors.Is(err, unix.ENOENT) {
					t.Error(err)
				}
				for _, b := range flying {
					<-b.Done()
				}
				// What had not begun when the descriptor was closed found none.
				for _, o := range []*op.Op{recv, poll, here} {
					if o.Err == nil || !errors.Is(o.Err, net.ErrClosed) && !errors.Is(o.Err, unix.EBADF) &&
						o.Err != op.ErrCanceled {
						t.Errorf("%v: %d, %v", o, o.N, o.Err)
					}
				}
				if wait.Err != nil || end.N != 0 || sleep.Err != op.ErrSkipped {
					t.Errorf("wait %v, end %d, sleep %v", wait.Err, end.N, sleep.Err)
				}
				unix.Close(p[1])
				// The same Op on another loop.
				for _, l := range loops {
					if err := op.Do(bg, l, sleep.SetDuration(0)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// Many splices wait for one pipe, and what arrives is enough for one of them. The others go on
// waiting, and none of them holds a thread that others need.
func TestSpliceHerd(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		p := op.Pipe(0) // in blocking mode: the mode must not keep a thread
		r.ok(p)
		rd, wr := p.Ends()
		defer unix.Close(rd)
		defer unix.Close(wr)
		rd2, wr2 := r.pipe()
		to, _ := r.file("")
		var herd []*op.Op
		for range 150 {
			herd = append(herd, op.Splice(rd, op.Stream, to, 0, 1, 0))
		}
		flying := op.Start(r.l, herd...)
		for range 3 {
			if _, err := unix.Write(wr, []byte("x")); err != nil {
				t.Fatal(err)
			}
			r.ok(op.Write(wr2, []byte("y"), op.Stream).Link(), op.Splice(rd2, op.Stream, to, 0, 1, 0).Link(),
				op.Fsync(to).Link(), op.Ftruncate(to, 0))
		}
		for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // the three bytes are taken
			if n, err := unix.IoctlGetInt(rd, unix.TIOCINQ); err != nil || time.Now().After(limit) {
				t.Fatal("still in the pipe:", n, err)
			} else if n == 0 {
				break
			}
		}
		flying.Cancel()
		<-flying.Done()
		moved := 0
		for _, o := range herd {
			switch {
			case o.Err == nil && o.N == 1:
				moved++
			case o.Err != op.ErrCanceled:
				t.Errorf("%d, %v", o.N, o.Err)
			}
		}
		if moved != 3 {
			t.Errorf("%d of 3 bytes were moved", moved)
		}
	})
}
