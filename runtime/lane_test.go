package runtime

import (
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// turn runs the loop once.
func (r *rig) turn(wait bool) {
	r.Helper()
	if err := r.l.Turn(wait); err != nil {
		r.Fatalf("Turn: %v", err)
	}
}

// TestSubmitHere guards that what the loop's own thread submits leaves with the next turn, from
// outside and from inside of callbacks, and is refused as Submit refuses it.
func TestSubmitHere(t *testing.T) {
	eachLoop(t, Options{MaxInFlight: 3}, func(t *testing.T, r *rig) {
		r.turn(false)
		if err := r.l.SubmitHere(&Completion{Op: nop()}); err == nil {
			t.Error("a Completion without a Callback was taken")
		}
		ran := 0
		var c Completion
		c.Op, c.Callback = nop(), func(c *Completion) Action {
			if ran++; ran < 3 {
				if err := r.l.SubmitHere(c); err != nil {
					t.Errorf("from the callback: %v", err)
				}
			}
			return Disarm
		}
		if err := r.l.SubmitHere(&c); err != nil {
			t.Fatal(err)
		}
		if err := r.l.SubmitHere(&c); err != ErrInFlight {
			t.Errorf("second submission: %v", err)
		}
		for c.InFlight() {
			r.turn(true)
		}
		if ran != 3 {
			t.Errorf("the callback ran %d times", ran)
		}

		var three [3]Completion
		for i := range three {
			three[i].Op, three[i].Callback = nop(), count(&ran)
			if err := r.l.SubmitHere(&three[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.l.SubmitHere(&c); err != nil { // it waits for room
			t.Errorf("beyond the limit: %v", err)
		}
		for r.l.active() {
			r.turn(true)
		}
		if ran != 7 {
			t.Errorf("%d callbacks in place of 7", ran)
		}

		other := startLoop(t, loops()[len(loops())-1], Options{})
		if err := other.l.SubmitHere(&c); err != ErrOtherLoop {
			t.Errorf("on a second loop: %v", err)
		}
		if err := other.l.Close(); err != nil {
			t.Error(err)
		}
		var late Completion
		late.Op, late.Callback = nop(), count(&ran)
		if err := other.l.SubmitHere(&late); err != ErrClosed {
			t.Errorf("after Close: %v", err)
		}
		if err := other.l.Turn(false); err != ErrClosed {
			t.Errorf("Turn after Close: %v", err)
		}
	})
}

// TestSubmitHereDeadline guards that a deadline that others move while the thread submits is seen,
// and ends the operation.
func TestSubmitHereDeadline(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		r.turn(false)
		rd, _ := r.pipe()
		for i := range scale(500) {
			var c Completion
			var got error
			c.Op, c.Callback = read(rd, make([]byte, 1)), func(c *Completion) Action { got = c.Err(); return Disarm }
			var wg sync.WaitGroup
			wg.Go(func() {
				if i%2 == 0 {
					c.SetDeadline(1)
				} else {
					c.Retire()
				}
			})
			if err := r.l.SubmitHere(&c); err != nil {
				t.Fatal(err)
			}
			for c.InFlight() {
				r.turn(true)
			}
			wg.Wait()
			if got == nil {
				t.Fatal("a read of an empty pipe succeeded")
			}
		}
	})
}

// TestTurnWaits guards that a Turn that waits ends when something is over, when a timer is due and
// when it is woken, and that a Wake that comes early counts.
func TestTurnWaits(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		r.l.Wake()
		r.turn(true)
		for range scale(200) {
			woken := make(chan struct{})
			go func() { r.l.Wake(); close(woken) }()
			r.turn(true)
			<-woken
		}
		r.turn(false) // takes what is left of the wake-ups
		fired := 0
		var timer Timer
		timer.Start(r.l, time.Millisecond, func(*Timer) Action { fired++; return Disarm })
		for fired == 0 {
			r.turn(true)
		}
		ran := 0
		r.submit(nop(), count(&ran))
		for ran == 0 {
			r.turn(true)
		}
	})
}

// TestRuntimeNewLoop guards that a loop made beside those of a Runtime has its options and its
// pool, and ends by itself.
func TestRuntimeNewLoop(t *testing.T) {
	for _, d := range drives() {
		t.Run(d.name, func(t *testing.T) {
			r := startRuntime(t, d, Options{MaxInFlight: 7, PoolSize: 1})
			if d.drive == DriveThread && d.name == "sim" {
				t.Skip("a simulated kernel serves one loop")
			}
			l, err := r.rt.NewLoop()
			if err != nil {
				t.Fatal(err)
			}
			if l.limit.Max() != 7 || l.pool != r.l.pool {
				t.Errorf("limit %d, pool of its own: %v", l.limit.Max(), l.pool != r.l.pool)
			}
			if err := r.rt.Close(); err != nil {
				t.Error(err)
			}
			if _, err := r.rt.NewLoop(); err != ErrClosed {
				t.Errorf("NewLoop of a runtime that is closed: %v", err)
			}
			ran := 0
			c := Completion{Op: backends.Op{Code: backends.OpNop}, Callback: count(&ran)}
			if err := l.Submit(&c); err != nil {
				t.Error(err)
			}
			for ran == 0 {
				if err := l.Turn(true); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
