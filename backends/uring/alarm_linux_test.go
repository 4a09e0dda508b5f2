package uring

import (
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

func (r *rig) setAlarm(deadline int64) {
	r.t.Helper()
	if !r.Alarm(deadline) {
		r.t.Fatal("no room for an alarm")
	}
	if events := r.flush(); len(events) != 0 {
		r.t.Fatalf("setting an alarm brought %+v", events)
	}
}

// expectAlarm waits for an alarm, which may have gone off while it was being set.
func (r *rig) expectAlarm(deadline int64) {
	r.t.Helper()
	if r.alarm == 0 && r.Now() >= deadline {
		return
	}
	if !r.readable(patience) {
		r.t.Fatal("no alarm")
	}
	if now := r.Now(); now < deadline {
		r.t.Fatalf("the alarm came %v early", time.Duration(deadline-now))
	}
	if late := time.Duration(r.Now() - deadline); late > 5*time.Second {
		r.t.Fatalf("the alarm came %v late", late)
	}
	if events := r.flush(); len(events) != 0 {
		r.t.Fatalf("an alarm brought %+v", events)
	}
	if r.readable(0) {
		r.t.Fatal("the descriptor stays readable after an alarm")
	}
}

func TestAlarm(t *testing.T) {
	r := newRig(t, Config{})
	for range 5 { // and again after it went off
		near := r.after(3 * time.Millisecond)
		r.setAlarm(near)
		r.expectAlarm(near)
	}

	// An earlier one moves it, both while it is queued and when it is in the kernel.
	for _, queued := range []bool{true, false} {
		if !r.Alarm(r.after(time.Hour)) {
			t.Fatal("no room")
		}
		if !queued {
			r.flush()
		}
		near := r.after(3 * time.Millisecond)
		r.setAlarm(near)
		r.expectAlarm(near)
	}

	// A later one is left out: it would cost an entry.
	near := r.after(20 * time.Millisecond)
	r.setAlarm(near)
	for _, d := range []time.Duration{0, 1, time.Hour} {
		if !r.Alarm(near+int64(d)) || r.ring.Queued() != 0 {
			t.Errorf("an alarm %v after the one that is set: %d entries are queued", d, r.ring.Queued())
		}
	}
	r.expectAlarm(near)

	// Moving it many times leaves one.
	far := r.after(time.Hour)
	for i := range 50 {
		r.setAlarm(far - int64(i))
	}
	near = r.after(3 * time.Millisecond)
	r.setAlarm(near)
	r.expectAlarm(near)
	if r.readable(10 * time.Millisecond) {
		t.Error("one alarm too many")
	}

	// The past is no error.
	r.setAlarm(r.after(-time.Second))
	r.setAlarm(1)
	for r.alarm != 0 {
		r.expectAlarm(0)
	}
}

// An alarm that has gone off, and that Poll has not seen yet, does not stand in the way of the next.
func TestAlarmUnseen(t *testing.T) {
	r := newRig(t, Config{})
	for range 5 {
		r.setAlarm(r.after(time.Millisecond))
		if r.alarm != 0 && !r.readable(patience) { // it may have gone off while it was being set
			t.Fatal("no alarm")
		}
		near := r.after(3 * time.Millisecond)
		r.setAlarm(near)
		if r.alarm != near && r.Now() < near {
			t.Error("the alarm that went off first was taken for the one that is set")
		}
		r.expectAlarm(near)
	}
	// The same when the first has not even been handed over.
	passed := r.after(time.Microsecond)
	if !r.Alarm(passed) {
		t.Fatal("no room")
	}
	for r.Now() <= passed {
	}
	near := r.after(3 * time.Millisecond)
	r.setAlarm(near)
	r.awaitAlarm(near)
}

// Alarms wait for room in the queue as operations do.
func TestAlarmQueueFull(t *testing.T) {
	r := newRig(t, Config{Entries: 4})
	r.Wake()
	r.poll(backends.Forever) // arms the wake poll, for which an entry is kept free otherwise
	r.flush()
	nops := r.nops(4)
	r.submit(nops...)
	near := r.after(3 * time.Millisecond)
	if r.Alarm(near) {
		t.Error("Alarm found room in a full queue")
	}
	if r.alarm != 0 {
		t.Error("an alarm that was refused counts as set")
	}
	r.want(0, nops...)
	r.setAlarm(near)
	r.expectAlarm(near)
}
