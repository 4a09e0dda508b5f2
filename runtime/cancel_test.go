package runtime

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// duel is one reader of a pipe and an antagonist that both fills the pipe and stops the reader. The
// bytes are numbered, so that each one lost, doubled or out of order shows.
type duel struct {
	r        *rig
	rd, wr   int
	c        Completion // the read
	buf      []byte
	written  atomic.Int64
	received atomic.Int64
	over     atomic.Bool

	done, stopped int64 // reads that brought bytes, reads that were stopped
}

func newDuel(r *rig) *duel {
	d := &duel{r: r, buf: make([]byte, 8)}
	d.rd, d.wr = r.pipe()
	d.c.Op = read(d.rd, d.buf)
	return d
}

// write adds n bytes to the pipe, if it does not hold plenty.
func (d *duel) write(n int) {
	if d.written.Load()-d.received.Load() > 32 {
		yield()
		return
	}
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(d.written.Add(1))
	}
	d.r.put(d.wr, p...)
}

// accept checks what a read brought.
func (d *duel) accept() bool {
	n := d.c.N()
	if n < 1 || n > len(d.buf) {
		d.r.Errorf("a read of %d bytes reports %d", len(d.buf), n)
		return false
	}
	for _, b := range d.buf[:n] {
		if want := byte(d.received.Add(1)); b != want {
			d.r.Errorf("byte %d of the stream is %d: some were lost or came twice", d.received.Load(), b)
			return false
		}
	}
	d.done++
	return true
}

// read reads for so many rounds. stop is the error of a read that was stopped.
func (d *duel) read(rounds int, ctx func() (context.Context, context.CancelFunc), stop error) {
	defer d.over.Store(true)
	for range rounds {
		c, cancel := ctx()
		err := d.r.l.Do(c, &d.c)
		cancel()
		switch {
		case err == nil:
			if !d.accept() {
				return
			}
		case errors.Is(err, stop):
			d.stopped++
		default:
			d.r.Errorf("Do: %v, want %v or nil", err, stop)
			return
		}
	}
}

// drain reads what is left, after which everything written must have been received.
func (d *duel) drain() {
	d.c.SetDeadline(0)
	for d.received.Load() < d.written.Load() {
		if err := d.r.l.Do(context.Background(), &d.c); err == ErrCanceled {
			continue // the last of the antagonist's
		} else if err != nil || !d.accept() {
			d.r.Errorf("draining: %v", err)
			return
		}
	}
	if d.received.Load() != d.written.Load() {
		d.r.Errorf("%d bytes were written, %d received", d.written.Load(), d.received.Load())
	}
}

func background() (context.Context, context.CancelFunc) { return context.Background(), func() {} }

// runDuels runs several duels at once. antagonist is called until the reader is through.
func runDuels(r *rig, pairs, rounds int, ctx func(*duel) (context.Context, context.CancelFunc), stop error,
	antagonist func(*duel, *rand.Rand)) {
	r.Helper()
	duels := make([]*duel, pairs)
	var wg sync.WaitGroup
	for i := range duels {
		d := newDuel(r)
		duels[i] = d
		var both sync.WaitGroup
		both.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 7))
			for !d.over.Load() {
				if !d.c.InFlight() || rng.IntN(4) == 0 {
					yield()
				}
				antagonist(d, rng)
			}
		})
		both.Go(func() {
			d.read(rounds/pairs, func() (context.Context, context.CancelFunc) { return ctx(d) }, stop)
		})
		wg.Go(func() {
			both.Wait()
			if !r.Failed() {
				d.drain()
			}
		})
	}
	wg.Wait()
	var done, stopped, bytes int64
	for _, d := range duels {
		done, stopped, bytes = done+d.done, stopped+d.stopped, bytes+d.received.Load()
	}
	r.Logf("%d reads brought %d bytes, %d were stopped", done, bytes, stopped)
	if done == 0 || stopped == 0 {
		r.Error("the race had only one outcome: this test has tested nothing")
	}
}

// TestCancelRace guards: one completion per operation, and no byte lost or doubled, whichever of
// data and cancel comes first.
func TestCancelRace(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		none := func(*duel) (context.Context, context.CancelFunc) { return background() }
		runDuels(r, 64, scale(100_000), none, ErrCanceled, func(d *duel, rng *rand.Rand) {
			switch rng.IntN(4) {
			case 0:
				r.l.Cancel(&d.c)
			case 1:
				d.write(1 + rng.IntN(3))
			case 2:
				r.l.Cancel(&d.c)
				d.write(1)
			case 3:
				d.write(1)
				r.l.Cancel(&d.c)
			}
		})
	})
}

// TestContextRace guards the same for a context that ends while data arrives, and that the error is
// the context's cause.
func TestContextRace(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		cause := errors.New("enough")
		var cancels sync.Map // of each duel, the cancel of its round
		ctx := func(d *duel) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(context.Background())
			cancels.Store(d, cancel)
			return ctx, func() { cancel(nil) }
		}
		runDuels(r, 64, scale(20_000), ctx, cause, func(d *duel, rng *rand.Rand) {
			if rng.IntN(2) == 0 {
				d.write(1)
			}
			if cancel, ok := cancels.Load(d); ok && rng.IntN(2) == 0 {
				cancel.(context.CancelCauseFunc)(cause)
			}
		})
	})
}

// TestRetire guards that Retire ends what is in flight and everything later, for good.
func TestRetire(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		rd, wr := r.pipe()
		c := &Completion{Op: read(rd, make([]byte, 1))}
		got := make(chan error, 1)
		go func() { got <- r.l.Do(context.Background(), c) }()
		r.settled(1)
		c.Retire()
		if err := <-got; err != ErrClosed {
			t.Errorf("in flight: %v, want ErrClosed", err)
		}
		c.SetDeadline(0)
		c.SetDeadline(r.l.Now() + 3600e9)
		r.put(wr, 1)
		if err := r.l.Do(context.Background(), c); err != ErrClosed {
			t.Errorf("later: %v, want ErrClosed", err)
		}
		if n := r.mustDo(read(rd, make([]byte, 1))); n != 1 {
			t.Errorf("the byte is gone: the retired operation took it")
		}
		// A pool of Completions must not hand a retired one out.
		b := r.l.Borrow()
		b.Retire()
		r.l.Return(b)
		for range 8 {
			b := r.l.Borrow()
			b.Op = nop()
			if err := r.l.Do(context.Background(), b); err != nil {
				t.Fatalf("a borrowed Completion is retired: %v", err)
			}
		}
	})
}

// name is the backend's.
func (r *rig) name() string { return r.l.be.Name() }

// TestContextBeforeSubmit guards that an operation whose context is over by then does not start.
func TestContextBeforeSubmit(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		rd, wr := r.pipe()
		cause := errors.New("over")
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		for range 50 {
			if _, err := r.do(ctx, write(wr, []byte{1})); err != cause {
				t.Fatalf("Do under a context that is over: %v, want its cause", err)
			}
		}
		r.put(wr, 2)
		buf := make([]byte, 100)
		if n := r.mustDo(read(rd, buf)); n != 1 || buf[0] != 2 {
			t.Errorf("read %v: an operation started although its context was over", buf[:n])
		}
	})
}

// TestNoLateWake guards that the wake-ups of one operation do not leak into the next one, across
// ways to use a Completion: with Do, and with a callback.
func TestNoLateWake(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		rd, wr := r.pipe()
		buf := make([]byte, 1)
		c := &Completion{}
		for i := range 20 {
			c.Op = nop()
			if err := r.l.Do(context.Background(), c); err != nil {
				t.Fatal(err)
			}
			called := make(chan error, 1)
			c.Callback = func(c *Completion) Action { called <- c.Err(); return Disarm }
			if err := r.l.Submit(c); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-called:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(patience / 2):
				t.Fatal("the callback of a Completion that was used with Do before never runs")
			}
			r.eventually("the Completion is idle", func() bool { return !c.InFlight() && r.l.inFlightCount() == 0 })
			c.Op, buf[0] = read(rd, buf), 0
			got := make(chan error, 1)
			go func() { got <- r.l.Do(context.Background(), c) }()
			r.settled(1)
			select {
			case err := <-got:
				t.Fatalf("Do returned %v while its read is in flight", err)
			default:
			}
			r.put(wr, byte(i+1))
			if err := <-got; err != nil || buf[0] != byte(i+1) {
				t.Fatalf("read %d, %v", buf[0], err)
			}
		}
		// Do of a Completion in flight is refused, and takes nothing from its callback.
		called := make(chan error, 1)
		c = &Completion{Op: read(rd, buf), Callback: func(c *Completion) Action { called <- c.Err(); return Disarm }}
		if err := r.l.Submit(c); err != nil {
			t.Fatal(err)
		}
		if err := r.l.Do(context.Background(), c); err != ErrInFlight {
			t.Fatalf("Do of a Completion in flight: %v", err)
		}
		r.put(wr, 1)
		if err := <-called; err != nil {
			t.Fatal(err)
		}
	})
}

// TestCancelReportsOutcome guards that a cancel tells "stopped" from "done anyway": the bytes of a
// write that went through in part are counted, with a nil error.
func TestCancelReportsOutcome(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		const waitAll = 0x100 // MSG_WAITALL: the operation goes on after it has moved some
		a, b := r.socketPair()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		type result struct {
			n   int
			err error
		}
		got := make(chan result, 1)
		big := make([]byte, 8<<20)
		for i := range big {
			big[i] = byte(i * 31)
		}
		go func() {
			n, err := r.do(ctx, backends.Op{Code: backends.OpSend, FD: a, Flags: waitAll, Buf: big})
			got <- result{n, err}
		}()
		r.settled(1)
		first := make([]byte, 1000)
		n := r.mustDo(backends.Op{Code: backends.OpRecv, FD: b, Buf: first})
		cancel()
		sent := <-got
		if sent.err != nil || sent.n < n || sent.n >= len(big) {
			t.Fatalf("a send that was cancelled half way: %d, %v", sent.n, sent.err)
		}
		rest := make([]byte, len(big))
		for total := n; total < sent.n; {
			k := r.mustDo(backends.Op{Code: backends.OpRecv, FD: b, Buf: rest})
			for i := range rest[:k] {
				if rest[i] != big[total+i] {
					t.Fatalf("byte %d is wrong", total+i)
				}
			}
			total += k
			if total > sent.n {
				t.Fatalf("the send reports %d bytes, but %d arrived", sent.n, total)
			}
		}
		none, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer stop()
		if n, err := r.do(none, backends.Op{Code: backends.OpRecv, FD: b, Buf: rest}); err == nil {
			t.Fatalf("%d bytes more than the send reports arrived", n)
		}
	})
}
