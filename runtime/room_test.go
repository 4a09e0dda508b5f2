package runtime

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// hog takes all the room of a loop with Options.MaxInFlight 1, until the function that it returns
// is called.
func hog(r *rig) (leave func()) {
	r.Helper()
	rd, _ := r.pipe()
	over := make(chan error, 1)
	c := &Completion{Op: read(rd, make([]byte, 1))}
	go func() { over <- r.l.Do(context.Background(), c) }()
	r.settled(1)
	return func() {
		r.l.Cancel(c)
		if err := <-over; err != ErrCanceled {
			r.Errorf("the operation that had the room: %v", err)
		}
	}
}

// inLine waits until n operations wait for room.
func (r *rig) inLine(n int) {
	r.Helper()
	r.eventually("operations wait for room", func() bool {
		in := 0
		r.l.inLoop(func() { in = r.l.line.list.Len() })
		return in == n
	})
}

// TestWaitForRoomIsPartOfTheOperation: at Options.MaxInFlight deadlines, Retire, Cancel and a close
// of the descriptor did not reach calls that waited for room, and Close of what they worked on hung
// behind them. Many limits of time on a queue that is full: zio#623.
func TestWaitForRoomIsPartOfTheOperation(t *testing.T) {
	eachDrive(t, Options{MaxInFlight: 1}, func(t *testing.T, r *rig) {
		leave := hog(r)
		rd, _ := r.pipe()
		soon := func() int64 { return r.l.Now() + int64(time.Millisecond) }
		for _, tt := range []struct {
			name   string
			before func(c *Completion)
			then   func(c *Completion)
			want   error
		}{
			{"a deadline", func(c *Completion) { c.SetDeadline(soon()) }, nil, os.ErrDeadlineExceeded},
			{"a deadline that has passed", func(c *Completion) { c.SetDeadline(1) }, nil, os.ErrDeadlineExceeded},
			{"a deadline that is set meanwhile", nil, func(c *Completion) { c.SetDeadline(soon()) },
				os.ErrDeadlineExceeded},
			{"a deadline that is moved", func(c *Completion) { c.SetDeadline(backends.Forever) },
				func(c *Completion) { c.SetDeadline(1) }, os.ErrDeadlineExceeded},
			{"Retire", nil, (*Completion).Retire, ErrClosed},
			{"Cancel", nil, r.l.Cancel, ErrCanceled},
		} {
			c := &Completion{Op: read(rd, make([]byte, 1))}
			if tt.before != nil {
				tt.before(c)
			}
			over := make(chan error, 1)
			go func() { over <- r.l.Do(context.Background(), c) }()
			if tt.then != nil {
				r.inLine(1)
				tt.then(c)
			}
			if err := <-over; err != tt.want {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		over := make(chan error, 1)
		go func() { _, err := r.do(ctx, read(rd, make([]byte, 1))); over <- err }()
		r.inLine(1)
		cancel()
		if err := <-over; err != context.Canceled {
			t.Errorf("a context that ends: %v", err)
		}

		closed, _ := r.pipe()
		go func() { _, err := r.do(context.Background(), read(closed, make([]byte, 1))); over <- err }()
		r.inLine(1)
		b := NewBatch()
		b.Add(&Completion{Op: backends.Op{Code: backends.OpClose, FD: closed, Flags: backends.CloseAll}})
		if err := r.l.DoBatch(context.Background(), b); err != nil {
			t.Errorf("a close at the bound: %v", err)
		}
		delete(r.fds, closed)
		if err := <-over; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the read of a descriptor that was closed: %v", err)
		}
		r.inLine(0)
		leave()
		r.eventually("nothing is in flight", func() bool { return r.l.inFlightCount() == 0 })
	})
}

// TestListsWaitForRoom: a list that waits for room is cancelled by its context and by Cancel, the
// limits of time in it count, and what follows an operation that never began is what the links say.
func TestListsWaitForRoom(t *testing.T) {
	eachDrive(t, Options{MaxInFlight: 1}, func(t *testing.T, r *rig) {
		leave := hog(r)
		rd, _ := r.pipe()
		chain := func(ops ...backends.Op) (*Batch, []*Completion) {
			b := NewBatch()
			var cs []*Completion
			for i, op := range ops {
				c := &Completion{Op: op}
				if i < len(ops)-1 {
					c.Link = LinkHard
				}
				b.Add(c)
				cs = append(cs, c)
			}
			return b, cs
		}
		limit := backends.Op{Code: backends.OpLinkTimeout, Off: int64(time.Millisecond)}
		pause := backends.Op{Code: backends.OpTimeout, Off: int64(time.Millisecond)}

		b, cs := chain(read(rd, make([]byte, 1)), limit)
		if err := r.l.DoBatch(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		if err := cs[0].Err(); err != os.ErrDeadlineExceeded {
			t.Errorf("an operation with a limit: %v", err)
		}
		b, cs = chain(pause, pause)
		if err := r.l.DoBatch(context.Background(), b); err != nil || cs[0].Err() != nil || cs[1].Err() != nil {
			t.Errorf("timeouts: %v, %v, %v", err, cs[0].Err(), cs[1].Err())
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		b, cs = chain(read(rd, make([]byte, 1)), pause)
		if err := r.l.DoBatch(ctx, b); err != nil || cs[0].Err() != ErrCanceled || cs[1].Err() != ErrCanceled {
			t.Errorf("a list whose context ended: %v, %v, %v", err, cs[0].Err(), cs[1].Err())
		}
		over := make(chan error, 1)
		b, cs = chain(pause, nop())
		go func() { over <- r.l.DoBatch(context.Background(), b) }()
		r.inLine(1)
		r.eventually("the chain has come to what needs room", func() (is bool) {
			r.l.inLoop(func() { is = cs[1].id != 0 && cs[1].room&roomOwed != 0 })
			return is
		})
		b.Cancel()
		if err := <-over; err != nil || cs[0].Err() != nil || cs[1].Err() != ErrCanceled {
			t.Errorf("a list that was cancelled: %v, %v, %v", err, cs[0].Err(), cs[1].Err())
		}
		b, cs = chain(nop(), nop())
		if err := r.l.DoBatch(context.Background(), b); !errors.Is(err, ErrBusy) {
			t.Errorf("two where there is room for one: %v", err)
		}
		leave()
		r.eventually("nothing is in flight", func() bool { return r.l.inFlightCount() == 0 })
	})
}

// TestTimersNeedNoRoom: beside as many operations as there may be no timer fired.
// Timers that get lost: go#14038, go#37196, tinygo#5487.
func TestTimersNeedNoRoom(t *testing.T) {
	eachDrive(t, Options{MaxInFlight: 1}, func(t *testing.T, r *rig) {
		leave := hog(r)
		sleep := func() *Completion {
			c := &Completion{Op: backends.Op{Code: backends.OpTimeout}}
			c.SetDeadline(r.l.Now() + int64(time.Millisecond))
			return c
		}
		if err := r.l.Do(context.Background(), sleep()); err != nil {
			t.Errorf("Do: %v", err)
		}
		fired := make(chan error)
		c := sleep()
		c.Callback = func(c *Completion) Action { fired <- c.Err(); return Disarm }
		if err := r.l.Submit(c); err != nil {
			t.Errorf("Submit: %v", err)
		} else if err := <-fired; err != nil {
			t.Errorf("Submit: then %v", err)
		}
		leave()
		r.eventually("nothing is in flight", func() bool { return r.l.inFlightCount() == 0 })
	})
}

// TestLineOrder: what waits for room gets it in the order in which it came, and nothing overtakes
// it.
func TestLineOrder(t *testing.T) {
	eachDrive(t, Options{MaxInFlight: 1}, func(t *testing.T, r *rig) {
		leave := hog(r)
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 5 {
			c := &Completion{Op: nop(), Callback: func(*Completion) Action {
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				wg.Done()
				return Disarm
			}}
			wg.Add(1)
			rm, err := r.l.admit(c, true)
			if err == nil {
				err = r.l.push(c, rm, false)
			}
			if err != nil {
				t.Fatal(err)
			}
			r.inLine(i + 1)
		}
		if err := r.l.Submit(&Completion{Op: nop(),
			Callback: func(*Completion) Action { return Disarm }}); err != ErrBusy {
			t.Errorf("Submit beside a line: %v", err)
		}
		leave()
		wg.Wait()
		for i := range order {
			if order[i] != i {
				t.Fatalf("served in the order %v", order)
			}
		}
		r.eventually("nothing is in flight", func() bool { return r.l.inFlightCount() == 0 })
	})
}

// TestListsShareRoom: lists, each as long as there is room, whose operations wait for each other
// get their room one list after the other, also in the middle of a chain.
func TestListsShareRoom(t *testing.T) {
	eachDrive(t, Options{MaxInFlight: 2}, func(t *testing.T, r *rig) {
		var wg sync.WaitGroup
		for range 8 {
			rd, wr := r.pipe()
			wg.Go(func() {
				for range scale(50) {
					b := NewBatch()
					recv, pause, send := &Completion{Op: read(rd, make([]byte, 1))}, &Completion{Op: nop()},
						&Completion{Op: write(wr, []byte{1})}
					pause.Link = LinkHard
					b.Add(recv)
					b.Add(pause)
					b.Add(send)
					b.room = 2 // the chain needs room for one
					if err := r.l.DoBatch(context.Background(), b); err != nil || recv.Err() != nil ||
						send.Err() != nil {
						t.Errorf("%v, %v, %v", err, recv.Err(), send.Err())
					}
				}
			})
		}
		wg.Wait()
		r.eventually("nothing is in flight", func() bool { return r.l.inFlightCount() == 0 })
	})
}

// TestCloseWhileInLine: what waits for room ends with the loop.
func TestCloseWhileInLine(t *testing.T) {
	eachDrive(t, Options{MaxInFlight: 1}, func(t *testing.T, r *rig) {
		rd, _ := r.pipe()
		over := make(chan error, 3)
		for range 2 {
			go func() { _, err := r.do(context.Background(), read(rd, make([]byte, 1))); over <- err }()
		}
		b, c := NewBatch(), &Completion{Op: nop()}
		b.Add(c)
		r.inLine(1)
		go func() {
			if err := r.l.DoBatch(context.Background(), b); err != nil {
				over <- err
			}
			over <- c.Err()
		}()
		r.inLine(2)
		if err := r.rt.Close(); err != nil {
			t.Error(err)
		}
		for range 3 {
			if err := <-over; err != ErrClosed {
				t.Errorf("waited for room when the runtime closed: %v", err)
			}
		}
	})
}
