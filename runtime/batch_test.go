package runtime

import "testing"

// TestMembers guards whose a Completion is that goes from batch to batch, and that lives without
// one: it is in flight from the submission of a batch that it is in to Reset, whatever becomes of
// other batches, and of that batch later.
func TestMembers(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		over := 0
		submit := func(b *Batch, members ...*Completion) error {
			for _, c := range members {
				b.Add(c)
			}
			return r.l.SubmitBatch(b, func(*Batch) { over++ })
		}
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		rd, wr := r.pipe()
		c, d := &Completion{Op: nop()}, &Completion{Op: read(rd, make([]byte, 1))}
		a, b := NewBatch(), NewBatch()

		ok(submit(a, c, d))
		first := c.life.Load() >> stateBits
		if err := submit(b, c); err != ErrInFlight {
			t.Errorf("a member of one batch is submitted with another: %v", err)
		}
		b.Reset()
		if !c.InFlight() || !d.InFlight() {
			t.Error("not in flight, since another batch was refused")
		}
		r.put(wr, 1)
		r.run(UntilDone)
		if over != 1 || c.Res() != 0 || d.Res() != 1 {
			t.Errorf("over %d times, results %d and %d", over, c.Res(), d.Res())
		}
		if err := submit(a); err != ErrInFlight || !c.InFlight() {
			t.Errorf("submitted again without Reset: %v", err)
		}
		if n := r.l.inFlightCount(); n != 0 {
			t.Errorf("%d tokens are taken", n)
		}
		a.Reset()
		if c.InFlight() || d.InFlight() {
			t.Error("in flight after Reset")
		}
		if err := submit(b, c, c); err != ErrInFlight || c.InFlight() {
			t.Errorf("twice in a batch: %v", err)
		}
		b.Reset()

		// The batch is in flight, and c is not in it any more.
		ok(submit(a, d))
		if c.InFlight() {
			t.Error("in flight with a batch that it was a member of")
		}
		b = NewBatch() // whose first round it is, too
		ok(submit(b, c))
		if c.life.Load()>>stateBits == first || d.life.Load()>>stateBits == first {
			t.Error("two rounds have the same number: a Cancel that comes late for one hits the other")
		}
		if c.abort.Store(first); c.aborted() {
			t.Error("a Cancel of the first round is one of the second")
		}
		r.runUntil("the second batch is over", func() bool { return over == 2 })
		b.Reset()

		// And alone.
		calls := 0
		c.Callback = func(*Completion) Action { calls++; return Disarm }
		ok(r.l.Submit(c))
		if err := submit(b, c); err != ErrInFlight {
			t.Errorf("what is in flight alone is submitted with a batch: %v", err)
		}
		b.Reset()
		r.runUntil("it has called back", func() bool { return calls == 1 })
		if c.InFlight() || !d.InFlight() || over != 2 {
			t.Error("the end of what was a member is taken for its batch's")
		}
		ok(submit(b, c))
		r.runUntil("the third batch is over", func() bool { return over == 3 })
		b.Reset()
		c.Op = read(rd, make([]byte, 1))
		ok(r.l.SubmitHere(c))
		r.l.Cancel(c)
		r.runUntil("it is cancelled", func() bool { return calls == 2 })
		if c.Err() != ErrCanceled {
			t.Errorf("%v, want ErrCanceled", c.Err())
		}
		r.put(wr, 1)
		r.run(UntilDone)
		if over != 4 || d.Res() != 1 {
			t.Errorf("%d batches are over, result %d", over, d.Res())
		}
		a.Reset()
	})
}
