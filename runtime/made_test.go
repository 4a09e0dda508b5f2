package runtime

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// TestRuntimesLoop: the Runtime drives its loops. No other goroutine can run, turn or close one,
// nor submit as its thread.
func TestRuntimesLoop(t *testing.T) {
	for _, drive := range []string{DriveScheduler, DriveThread} {
		r, err := New(Options{Drive: drive})
		if err != nil {
			t.Skip("no backend can start here: ", err)
		}
		l, err := r.Any(0)
		if err != nil {
			t.Fatal(err)
		}
		c := &Completion{Op: backends.Op{Code: backends.OpNop}, Callback: func(*Completion) Action { return Disarm }}
		b := NewBatch()
		b.Add(&Completion{Op: backends.Op{Code: backends.OpNop}})
		for what, f := range map[string]func() error{
			"Run":             func() error { return l.Run(NoWait) },
			"Turn":            func() error { return l.Turn(false) },
			"Close":           l.Close,
			"SubmitHere":      func() error { return l.SubmitHere(c) },
			"SubmitBatchHere": func() error { return l.SubmitBatchHere(b, func(*Batch) {}) },
		} {
			if err := f(); err != ErrWrongThread {
				t.Errorf("%s of a loop on drive %s: %v, want ErrWrongThread", what, drive, err)
			}
		}
		if err := l.Do(t.Context(), new(Completion)); err != nil {
			t.Errorf("the loop is not in order: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestMadeByOthers: a Loop or Runtime that is nil or zero, a nil Loop, Batch or context is refused
// with a text that says so.
func TestMadeByOthers(t *testing.T) {
	l, err := NewLoop(Options{})
	if err != nil {
		t.Skip("no backend can start here: ", err)
	}
	defer l.Close()
	none, zero, rt := (*Loop)(nil), new(Loop), new(Runtime)
	c := new(Completion)
	for what, f := range map[string]func(){
		"Do":              func() { zero.Do(t.Context(), c) },
		"DoBatch":         func() { zero.DoBatch(t.Context(), NewBatch()) },
		"Submit":          func() { zero.Submit(c) },
		"SubmitHere":      func() { none.SubmitHere(c) },
		"SubmitBatch":     func() { zero.SubmitBatch(NewBatch(), func(*Batch) {}) },
		"SubmitBatchHere": func() { zero.SubmitBatchHere(NewBatch(), func(*Batch) {}) },
		"BorrowBatch":     func() { none.BorrowBatch() },
		"Now":             func() { zero.Now() },
		"Wake":            func() { zero.Wake() },
		"Stop":            func() { zero.Stop() },
		"Stats":           func() { zero.Stats() },
		"Turn":            func() { zero.Turn(false) },
		"Run":             func() { zero.Run(NoWait) },
		"Timer.Start":     func() { new(Timer).Start(none, time.Hour, func(*Timer) Action { return Disarm }) },
		"Any":             func() { rt.Any(0) },
		"AnyWorker":       func() { rt.AnyWorker(0) },
		"Place":           func() { rt.Place(true) },
		"Release":         func() { rt.Release(0) },
		"NewLoop":         func() { rt.NewLoop() },
		"Shutdown":        func() { rt.Shutdown(t.Context()) },
		"RegisterFile":    func() { rt.RegisterFile(0) },
		"RegisterBuffers": func() { rt.RegisterBuffers(1, 1) },
	} {
		if text := panicText(f); !strings.Contains(text, "that is nil or zero") {
			t.Errorf("%s: panic %q", what, text)
		}
	}
	var noContext context.Context
	for what, f := range map[string]func(){
		"Do":      func() { l.Do(noContext, c) },
		"DoBatch": func() { l.DoBatch(noContext, NewBatch()) },
	} {
		if text := panicText(f); !strings.Contains(text, "nil context") {
			t.Errorf("%s(nil): panic %q", what, text)
		}
	}
	for what, err := range map[string]error{
		"DoBatch":         l.DoBatch(t.Context(), nil),
		"SubmitBatch":     l.SubmitBatch(nil, func(*Batch) {}),
		"SubmitBatchHere": l.SubmitBatchHere(nil, func(*Batch) {}),
	} {
		if !errors.Is(err, errNoBatch) {
			t.Errorf("%s of nil: %v", what, err)
		}
	}
	l.Return(nil)
	l.FreeBatch(nil)
}

// panicText is the text that f panics with; of an error of Go's runtime only that it is one.
func panicText(f func()) (text string) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case string:
			text = v
		default:
			text = "not a text of weir's"
		}
	}()
	f()
	return ""
}

// TestPoolsOfLoops guards that a loop's pools of records take nothing that is in flight or another
// loop's, and that a Batch which NewBatch has not made is as good as one that it has.
func TestPoolsOfLoops(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		other, err := NewLoop(Options{Backend: "sim"})
		if err != nil {
			other, err = NewLoop(Options{})
		}
		if err != nil {
			t.Skip("there is no second loop here:", err)
		}
		defer other.Close()
		for range 3 {
			r.l.FreeBatch(new(Batch))
			b := r.l.BorrowBatch()
			var members [3]Completion
			for i := range members {
				members[i].Op = nop()
				b.Add(&members[i])
			}
			if err := r.l.DoBatch(t.Context(), b); err != nil {
				t.Error(err)
			}
			other.FreeBatch(b)
			if other.BorrowBatch() == b {
				t.Error("a loop's batch is in the pool of another")
			}
			r.l.FreeBatch(b)
			other.Return(&members[0])
			if other.Borrow() == &members[0] {
				t.Error("a loop's operation is in the pool of another")
			}
		}
		rd, wr := r.pipe()
		b, over := NewBatch(), make(chan struct{})
		c := Completion{Op: read(rd, make([]byte, 1))}
		b.Add(&c)
		if err := r.l.SubmitBatch(b, func(*Batch) { close(over) }); err != nil {
			t.Fatal(err)
		}
		r.l.FreeBatch(b)
		r.mustDo(write(wr, []byte("x")))
		<-over
		if c.N() != 1 {
			t.Errorf("a batch that was given back in flight: %d, %v", c.N(), c.Err())
		}
		b.Reset()
		r.eventually("nothing is in flight", func() bool { return r.l.Stats().InFlight == 0 })
	})
}
