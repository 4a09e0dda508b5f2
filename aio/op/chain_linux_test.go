package op_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
)

const short, long = 5 * time.Millisecond, time.Hour

// TestChains is the table of the package comment, and what the table does not say.
func TestChains(t *testing.T) {
	type world struct {
		*on
		rd, wr int // an empty pipe
		a, b   int // a socket pair
		file   int // of 4 bytes: "data"
	}
	nop, sleep, limit := op.Nop, op.Timeout, op.LinkTimeout
	bad := func() *op.Op { return op.Fsync(-1) }
	read := func(w *world, n int) *op.Op { return op.Read(w.file, make([]byte, n), 0) }
	pending := func(w *world) *op.Op { return op.Read(w.rd, make([]byte, 1), op.Stream) }
	for _, tt := range []struct {
		name string
		ops  func(w *world) []*op.Op
		want string
	}{
		{"succeeds, soft", func(w *world) []*op.Op { return []*op.Op{nop().Link(), nop()} }, "0 0"},
		{"succeeds, hard", func(w *world) []*op.Op { return []*op.Op{nop().LinkAlways(), nop()} }, "0 0"},
		{"fails, soft", func(w *world) []*op.Op { return []*op.Op{bad().Link(), nop()} }, "EBADF skipped"},
		{"fails, hard", func(w *world) []*op.Op { return []*op.Op{bad().LinkAlways(), nop()} }, "EBADF 0"},
		{"fails, all that follow", func(w *world) []*op.Op {
			return []*op.Op{bad().Link(), nop().Link(), nop().LinkAlways(), nop()}
		}, "EBADF skipped skipped skipped"},
		{"fails in the middle", func(w *world) []*op.Op {
			return []*op.Op{nop().Link(), bad().Link(), nop().Link(), nop()}
		}, "0 EBADF skipped skipped"},
		{"hard before soft", func(w *world) []*op.Op {
			return []*op.Op{bad().LinkAlways(), bad().Link(), nop()}
		}, "EBADF EBADF skipped"},
		{"chains beside each other", func(w *world) []*op.Op {
			return []*op.Op{bad().Link(), nop(), nop().Link(), nop(), nop(), bad().LinkAlways(), nop()}
		}, "EBADF skipped 0 0 0 EBADF 0"},
		{"exact read", func(w *world) []*op.Op { return []*op.Op{read(w, 4).Link(), nop()} }, "4 0"},
		{"short read, soft", func(w *world) []*op.Op { return []*op.Op{read(w, 5).Link(), nop().Link(), nop()} },
			"4 short short"},
		{"short read, hard", func(w *world) []*op.Op { return []*op.Op{read(w, 5).LinkAlways(), nop()} }, "4 0"},
		{"end of file, soft", func(w *world) []*op.Op {
			return []*op.Op{op.Read(w.file, make([]byte, 1), 4).Link(), nop()}
		}, "0 short"},
		{"empty read, soft", func(w *world) []*op.Op { return []*op.Op{read(w, 0).Link(), nop()} }, "0 0"},
		{"short readv", func(w *world) []*op.Op {
			return []*op.Op{op.Readv(w.file, [][]byte{make([]byte, 3), make([]byte, 2)}, 0).Link(), nop()}
		}, "4 short"},
		{"exact readv", func(w *world) []*op.Op {
			return []*op.Op{op.Readv(w.file, [][]byte{make([]byte, 3), make([]byte, 1)}, 0).Link(), nop()}
		}, "4 0"},
		{"receive takes what there is", func(w *world) []*op.Op {
			return []*op.Op{op.Send(w.a, []byte("hello"), 0).Link(), op.Recv(w.b, make([]byte, 100), 0).Link(), nop()}
		}, "5 5 0"},
		{"receive of all that is cut off", func(w *world) []*op.Op {
			return []*op.Op{
				op.Send(w.a, []byte("hello"), 0).Link(), op.Shutdown(w.a, unix.SHUT_WR).Link(),
				op.Recv(w.b, make([]byte, 100), unix.MSG_WAITALL).Link(), nop(),
			}
		}, "5 0 5 short"},
		{"one pipe to itself", func(w *world) []*op.Op {
			return []*op.Op{op.Write(w.wr, []byte("x"), op.Stream).Link(), pending(w)}
		}, "1 1"},
		{"limit not needed", func(w *world) []*op.Op { return []*op.Op{nop().Link(), limit(long)} }, "0 0"},
		{"limit not needed, and on", func(w *world) []*op.Op {
			return []*op.Op{nop().Link(), limit(long).Link(), nop()}
		}, "0 0 0"},
		{"limit of what fails", func(w *world) []*op.Op {
			return []*op.Op{bad().Link(), limit(long).Link(), nop()}
		}, "EBADF 0 skipped"},
		{"limit of what fails, hard", func(w *world) []*op.Op {
			return []*op.Op{bad().LinkAlways(), limit(long).Link(), nop()}
		}, "EBADF 0 0"},
		{"limit exceeded", func(w *world) []*op.Op {
			return []*op.Op{pending(w).Link(), limit(short)}
		}, "deadline deadline"},
		{"limit exceeded, soft", func(w *world) []*op.Op {
			return []*op.Op{pending(w).Link(), limit(short).Link(), nop().Link(), nop()}
		}, "deadline deadline skipped skipped"},
		{"limit exceeded, hard", func(w *world) []*op.Op {
			return []*op.Op{pending(w).LinkAlways(), limit(short).Link(), nop()}
		}, "deadline deadline 0"},
		{"limit over before it began", func(w *world) []*op.Op {
			return []*op.Op{pending(w).Link(), limit(-1)}
		}, "deadline deadline"},
		{"limit of the second only", func(w *world) []*op.Op {
			return []*op.Op{sleep(short).Link(), pending(w).Link(), limit(short), nop()}
		}, "0 deadline deadline 0"},
		{"limit behind a chain that broke", func(w *world) []*op.Op {
			return []*op.Op{bad().Link(), nop().Link(), limit(long)}
		}, "EBADF skipped skipped"},
		{"limit behind what is not linked", func(w *world) []*op.Op {
			return []*op.Op{nop(), pending(w).Link(), limit(short)}
		}, "0 deadline deadline"},
		{"limit of a timeout", func(w *world) []*op.Op { return []*op.Op{sleep(long).Link(), limit(short)} },
			"deadline deadline"},
		{"limit of a shorter timeout", func(w *world) []*op.Op { return []*op.Op{sleep(short).Link(), limit(long)} },
			"0 0"},
		{"limit of no timeout at all", func(w *world) []*op.Op { return []*op.Op{sleep(0).Link(), limit(0)} }, "0 0"},
		{"cancel of what is pending", func(w *world) []*op.Op {
			p := pending(w)
			return []*op.Op{p.Link(), nop(), op.Cancel(p)}
		}, "cancelled skipped 0"},
		{"cancel of what is pending, hard", func(w *world) []*op.Op {
			p := pending(w)
			return []*op.Op{p.LinkAlways(), nop(), op.Cancel(p)}
		}, "cancelled 0 0"},
		{"cancel of what has not begun", func(w *world) []*op.Op {
			p := nop()
			return []*op.Op{sleep(short).Link(), p.Link(), nop(), op.Cancel(p)}
		}, "0 cancelled skipped 0"},
		{"cancel of what was never started", func(w *world) []*op.Op { return []*op.Op{op.Cancel(nop())} }, "ENOENT"},
		{"cancel of a timeout", func(w *world) []*op.Op {
			p := sleep(long)
			return []*op.Op{p, sleep(short).Link(), op.Cancel(p)}
		}, "cancelled 0 0"},
		{"close of a socket in use", func(w *world) []*op.Op {
			fd, _ := unix.Dup(w.a)
			r, p := op.Recv(fd, make([]byte, 1), 0), op.Poll(fd, unix.POLLIN)
			return []*op.Op{r, p.Link(), nop(), sleep(short).Link(), op.CloseSocket(fd)}
		}, "use of closed network connection use of closed network connection skipped 0 0"},
		{"close of nothing", func(w *world) []*op.Op { return []*op.Op{op.CloseSocket(-1)} }, "EBADF"},
		{"descriptors from each other", func(w *world) []*op.Op {
			o := op.Open(op.CWD, "/proc/self/stat", unix.O_RDONLY, 0)
			return []*op.Op{o.LinkAlways(), op.Read(-1, make([]byte, 3), 0).From(o).LinkAlways(), op.Close(-1).From(o)}
		}, "fd 3 0"},
		{"descriptor of what failed", func(w *world) []*op.Op {
			o := op.Open(op.CWD, "/nowhere/at all", unix.O_RDONLY, 0)
			return []*op.Op{o.LinkAlways(), op.Read(-1, make([]byte, 3), 0).From(o)}
		}, "ENOENT EBADF"},
		{"events", func(w *world) []*op.Op {
			e := new(op.Event)
			return []*op.Op{op.EventWait(e), sleep(short).Link(), op.EventNotify(e)}
		}, "0 0 0"},
		{"event noted before", func(w *world) []*op.Op {
			e := new(op.Event)
			return []*op.Op{op.EventNotify(e).Link(), op.EventWait(e).Link(), op.EventWait(e).Link(), limit(short)}
		}, "0 0 deadline deadline"},
		{"event closed", func(w *world) []*op.Op {
			e := new(op.Event)
			return []*op.Op{op.EventWait(e), op.EventClose(e).Link(), op.EventWait(e).LinkAlways(), op.EventNotify(e)}
		}, "use of closed network connection 0 use of closed network connection use of closed network connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, r *on) {
				w := &world{on: r}
				w.rd, w.wr = r.pipe()
				w.a, w.b = r.pair()
				w.file, _ = r.file("data")
				ops := tt.ops(w)
				for range 2 { // an Op can be used again
					err := r.do(ops...)
					got := results(ops...)
					if tt.name == "descriptors from each other" && ops[0].N > 2 {
						ops[0].N = 0
						got = "fd" + results(ops...)[1:]
					}
					if got != tt.want {
						t.Errorf("got  %s\nwant %s\nDo: %v", got, tt.want, err)
					}
					failed := false
					for i, o := range ops {
						var e *op.Error
						if o.Err != nil && !failed {
							if failed = true; !errors.As(err, &e) || e.Index != i || e.Err != o.Err {
								t.Errorf("Do is %v, and the first to fail is %d, %v", err, i, o.Err)
							}
						}
						if o.InFlight() {
							t.Errorf("operation %d is still in flight", i)
						}
					}
					if !failed && err != nil {
						t.Errorf("Do is %v, and nothing failed", err)
					}
					if tt.name == "event closed" || tt.name == "close of a socket in use" ||
						tt.name == "receive of all that is cut off" {
						break // once only
					}
				}
			})
		})
	}
}

// A chain of any length, beside one that waits for what the first operation after it brings.
func TestLongChain(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		const n = 2000
		rd, wr := r.pipe()
		rd2, wr2 := r.pipe()
		var ops []*op.Op
		var got [n][1]byte
		for i := range n {
			ops = append(ops, op.Write(wr, []byte{byte(i)}, op.Stream).Link(), op.Read(rd, got[i][:], op.Stream).Link())
		}
		ops[len(ops)-1].ClearLink()
		for range n {
			ops = append(ops, op.Read(rd2, make([]byte, 1), op.Stream).Link())
		}
		ops[len(ops)-1].ClearLink()
		r.ok(append(ops, op.Write(wr2, bytes.Repeat([]byte{1}, n), op.Stream))...)
		for i := range n {
			if got[i][0] != byte(i) {
				t.Fatalf("read %d brought %d", i, got[i][0])
			}
		}
	})
}

// A list that is cancelled in the middle: what was done stays done, what was in flight is
// cancelled, the rest does not start; chains with soft and hard links, and what is not linked at
// all.
func TestCancelList(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		rd, wr := r.pipe()
		for _, how := range []string{"context", "Cancel"} {
			e := new(op.Event)
			ops := []*op.Op{
				op.Write(wr, []byte("x"), op.Stream).Link(), op.Read(rd, make([]byte, 1), op.Stream).Link(),
				op.EventNotify(e).Link(), op.Read(rd, make([]byte, 1), op.Stream).Link(), op.Nop(),
				op.Timeout(long).LinkAlways(), op.Nop().LinkAlways(), op.Nop(),
				op.Poll(rd, unix.POLLPRI),
			}
			const want = "1 1 0 cancelled cancelled cancelled cancelled cancelled cancelled"
			switch how {
			case "context":
				ctx, cancel := context.WithCancelCause(bg)
				why := errors.New("why")
				wait := time.AfterFunc(short, func() { cancel(why) })
				err := op.Do(ctx, r.l, ops...)
				wait.Stop()
				// The first to fail is cancelled, by the context.
				if !errors.Is(err, why) {
					t.Errorf("Do: %v, want %v", err, why)
				}
			case "Cancel":
				b := op.Start(r.l, ops...)
				r.ok(op.EventWait(e))
				select {
				case <-b.Done():
					t.Error("over before it was cancelled:", results(ops...))
				default:
				}
				ctx, cancel := context.WithTimeout(bg, short)
				if err := b.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Wait with a context that ended: %v", err)
				}
				cancel()
				b.Cancel()
				if err := b.Wait(bg); !errors.Is(err, op.ErrCanceled) {
					t.Errorf("Wait: %v", err)
				}
				b.Cancel() // late, and without effect
			}
			if got := results(ops...); got != want && how == "Cancel" {
				t.Errorf("%s:\ngot  %s\nwant %s", how, got, want)
			}
		}
	})
}

// Lists that make no sense are refused, and nothing of them happens.
func TestRefused(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		rd, wr := r.pipe()
		read := op.Read(rd, make([]byte, 1), op.Stream)
		flying := op.Start(r.l, read)
		write := func() *op.Op { return op.Write(wr, []byte("x"), op.Stream) }
		twice := op.Nop()
		later := op.Open(op.CWD, "/", unix.O_RDONLY, 0)
		for name, tt := range map[string]struct {
			ops   []*op.Op
			is    error
			index int
		}{
			"in flight":             {[]*op.Op{write(), read}, op.ErrInFlight, -1},
			"twice":                 {[]*op.Op{write(), twice, twice}, op.ErrInFlight, -1},
			"nil":                   {[]*op.Op{write(), nil}, nil, 1},
			"loose link":            {[]*op.Op{write(), op.Nop().Link()}, nil, 1},
			"limit of nothing":      {[]*op.Op{op.LinkTimeout(1), write()}, nil, 0},
			"limit not linked":      {[]*op.Op{write(), op.LinkTimeout(1)}, nil, 1},
			"limit of a limit":      {[]*op.Op{write().Link(), op.LinkTimeout(1).Link(), op.LinkTimeout(1)}, nil, 2},
			"zero byte in a name":   {[]*op.Op{write(), op.Unlink(op.CWD, "a\x00b")}, unix.EINVAL, 1},
			"zero byte in an attr":  {[]*op.Op{write(), op.Fgetxattr(0, "a\x00b", nil)}, unix.EINVAL, 1},
			"descriptor of a later": {[]*op.Op{write(), op.Fsync(-1).From(later).Link(), later}, nil, 1},
			"descriptor of another": {[]*op.Op{later, write(), op.Fsync(-1).From(later)}, nil, 2},
			"no address":            {[]*op.Op{write(), op.Connect(0, nil)}, unix.EAFNOSUPPORT, 1},
		} {
			err := r.do(tt.ops...)
			var e *op.Error
			switch {
			case tt.index < 0 && err != tt.is, tt.index >= 0 && (!errors.As(err, &e) || e.Index != tt.index),
				tt.is != nil && !errors.Is(err, tt.is):
				t.Errorf("%s: Do is %v", name, err)
			}
			b := op.Start(r.l, tt.ops...)
			<-b.Done()
			if e := b.Wait(bg); e == nil || e.Error() != err.Error() {
				t.Errorf("%s: Start is %v, Do was %v", name, e, err)
			}
			b.Cancel()
			for _, o := range tt.ops {
				if o != nil && o != read && o.InFlight() {
					t.Errorf("%s: %v is in flight", name, o)
				}
			}
		}
		if !read.InFlight() {
			t.Error("the read did not stay in flight: something was written")
		}
		mustPanic(t, "SetBuf", func() { read.SetBuf(nil) })
		mustPanic(t, "Link", func() { read.Link() })
		mustPanic(t, "From", func() { op.Nop().From(later) })
		flying.Cancel()
		if <-flying.Done(); read.Err != op.ErrCanceled {
			t.Error("read:", read.Err)
		}
		read.SetBuf(make([]byte, 1)).SetFD(rd)

		ctx, cancel := context.WithCancel(bg)
		cancel()
		if err := op.Do(ctx, r.l, write()); err != context.Canceled {
			t.Error("with a context that is over:", err)
		}
		if n, err := unix.Read(rd, make([]byte, 1)); err != unix.EAGAIN {
			t.Errorf("something was written after all: %d, %v", n, err)
		}
		if err := r.do(); err != nil {
			t.Error("nothing at all:", err)
		}
		<-op.Start(r.l).Done()
	})
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s does not panic", what)
		}
	}()
	f()
}

// What an Op was part of does not stick to it.
func TestReuse(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		rd, wr := r.pipe()
		sleep, limit := op.Timeout(short), op.LinkTimeout(long)
		read := op.Read(rd, make([]byte, 1), op.Stream)
		limit.SetDuration(short / 5)
		r.do(sleep.SetDuration(long).Link(), limit, read.Link(), op.LinkTimeout(short/5))
		if got := results(sleep, limit, read); got != "deadline deadline deadline" {
			t.Error(got)
		}
		r.ok(sleep.SetDuration(short).ClearLink())
		r.ok(sleep.Link(), limit.SetDuration(long))
		e := new(op.Event)
		notify, wait := op.EventNotify(e), op.EventWait(e)
		r.do(read.ClearLink(), op.Cancel(read))
		r.ok(sleep.ClearLink(), read, op.Write(wr, []byte("x"), op.Stream), notify, wait)
		e.Close()
		r.do(notify, wait)
		if got := kindOf(notify.Err) + kindOf(wait.Err); got != "closedclosed" {
			t.Error(got)
		}
		op.Cancel(read) // made, and never submitted
		r.ok(read, op.Write(wr, []byte("x"), op.Stream))
	})
}
