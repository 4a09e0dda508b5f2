package backendtest

import (
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// testNop catches backends that lose, repeat or garble the simplest of events.
func testNop(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	if name := r.b.Name(); name == "" {
		t.Error("the backend has no name")
	}
	if n := r.b.Submit(nil); n != 0 {
		t.Errorf("Submit of nothing took %d operations", n)
	}
	for range 10 {
		r.want(r.nop(), 0)
	}
	var ops []*op
	for range 200 {
		ops = append(ops, r.nop())
	}
	r.submit(ops...)
	r.wait(ops...)
	for _, o := range ops {
		r.expect(o, 0)
	}
	r.quiet(5 * time.Millisecond) // a second event would come now
}

// testQueueFull catches operations that are lost, or submitted twice, where the submission queue is
// full and a batch is taken in parts.
func testQueueFull(t *testing.T, env Env) {
	r := newRig(t, env, 2, 0)
	rd, wr := r.pipe()
	var ops, writes []*op
	for i := range 1000 {
		if i%10 == 9 {
			o := r.write(wr, []byte{byte(i)})
			ops, writes = append(ops, o), append(writes, o)
			continue
		}
		ops = append(ops, r.nop())
	}
	r.submit(ops...)
	r.wait(ops...)
	for _, o := range writes {
		r.expect(o, 1)
	}
	r.closeFD(wr)
	if got := r.readToEnd(rd); len(got) != len(writes) {
		t.Errorf("%d writes of one byte brought %d bytes", len(writes), len(got))
	}
}

// testSmallDst catches events that are dropped, or written beyond the slice, where Poll is given
// less room than there are events.
func testSmallDst(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	for size := 1; size <= 7; size += 2 {
		var ops []*op
		for range 50 {
			ops = append(ops, r.nop())
		}
		r.submit(ops...)
		room := make([]backends.Event, size+1)
		room[size] = untouched
		r.drain(room[:size])
		if room[size] != untouched {
			t.Fatalf("Poll with room for %d events wrote beyond it: %+v", size, room[size])
		}
		for _, o := range ops {
			r.expect(o, 0)
		}
	}
}

// testManyReady catches events that stay behind when many become ready at once: a DEFER_TASKRUN
// ring runs 20 pieces of work per wait and needs to be asked again.
func testManyReady(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	var reads, writes []*op
	for i := range 50 {
		rd, wr := r.pipe()
		reads = append(reads, r.read(rd, 8))
		writes = append(writes, r.write(wr, []byte{byte(i)}))
	}
	r.submit(reads...)
	r.poll(backends.NoWait)
	r.submit(writes...)
	r.wait(writes...)
	r.wait(reads...)
	for i, o := range reads {
		if r.expect(o, 1); o.got()[0] != byte(i) {
			t.Errorf("%v: got %d, want %d", o, o.got()[0], i)
		}
	}
}

// testNoWait catches a Poll that blocks though it was told not to.
func testNoWait(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	for range 10 {
		if n := r.poll(backends.NoWait); n != 0 {
			t.Fatalf("an idle Poll returned %d events", n)
		}
	}
	o := r.read(rd, 8)
	r.submit(o)
	for range 100 {
		r.poll(backends.NoWait)
	}
	if o.done {
		t.Fatalf("%v: %s, though the pipe is empty", o, result(o.res))
	}
	r.want(r.write(wr, []byte{1}), 1)
	r.wait(o)
	r.expect(o, 1)
}

// testPending catches a Pending that lets a loop go to sleep on work it could do, or keeps it from
// ever sleeping.
func testPending(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	// What Poll leaves behind inside the backend it may finish with in further Polls, but not
	// forever.
	settled := func() bool {
		r.poll(r.b.Now() + int64(time.Millisecond))
		return !r.b.Pending()
	}
	r.until("an idle backend stays Pending", settled)
	o := r.read(rd, 8)
	r.submit(o)
	if !r.b.Pending() {
		t.Error("an operation is queued, but the backend is not Pending")
	}
	r.until("a backend that waits for a pipe stays Pending", settled)
	if o.done {
		t.Fatalf("%v: %s, though the pipe is empty", o, result(o.res))
	}
	var nops []*op
	for range 8 {
		nops = append(nops, r.nop())
	}
	r.submit(nops...)
	one := make([]backends.Event, 1)
	for l := r.limit(); r.inFlight > 2 && !l.over(r); { // one event stays behind
		r.pollInto(one, l.backend)
	}
	r.cancel(o.id())
	if !r.b.Pending() {
		t.Error("a cancel is queued, but the backend is not Pending")
	}
	r.wait(append(nops, o)...)
	r.expect(o, canceled)
	r.until("the backend stays Pending when all is done", settled)
	r.closeFD(wr)
}

// testSlotReuse catches events and cancels that reach the next tenant of a slot.
func testSlotReuse(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	var last backends.ID
	for i := range 200 {
		o := r.read(rd, 4)
		r.submit(o)
		if last != 0 {
			if o.id().Slot() != last.Slot() {
				t.Fatalf("the slot of %v was not used again for %v", last, o)
			}
			r.cancel(last)
		}
		r.poll(backends.NoWait)
		if o.done {
			t.Fatalf("%v: %s before the write; %v was cancelled, which is over", o, result(o.res), last)
		}
		last = o.id()
		r.want(r.write(wr, []byte{byte(i)}), 1)
		r.wait(o)
		if r.expect(o, 1); o.got()[0] != byte(i) {
			t.Fatalf("%v: got %d, want %d", o, o.got()[0], i)
		}
		r.reuse(last.Slot())
	}
}

// testCounters catches counters that say nothing: they are what proves batching.
func testCounters(t *testing.T, env Env) {
	r := newRig(t, env, 256, 0)
	r.want(r.nop(), 0)
	before := r.b.Counters()
	const n = 100
	var ops []*op
	for range n {
		ops = append(ops, r.nop())
	}
	r.submit(ops...)
	r.wait(ops...)
	after := r.b.Counters()
	calls := after.Enters - before.Enters
	if _, soft := env.(softEnv); soft {
		calls = 0
	}
	for _, c := range []struct {
		name         string
		before, diff uint64
		least, most  uint64
	}{
		{"SQEs", before.SQEs, after.SQEs - before.SQEs, n, 2 * n},
		{"CQEs", before.CQEs, after.CQEs - before.CQEs, n, 2 * n},
		{"Enters", before.Enters, after.Enters - before.Enters, 1, n - 1},
		{"Syscalls", before.Syscalls, after.Syscalls - before.Syscalls, calls, 2 * n},
	} {
		if c.diff < c.least || c.diff > c.most {
			t.Errorf("%d nops in one batch: %s went up by %d from %d, want %d to %d", n, c.name, c.diff, c.before,
				c.least, c.most)
		}
	}
}

// readToEnd reads until the end of the stream.
func (r *rig) readToEnd(fd int) []byte {
	r.t.Helper()
	var all []byte
	for {
		o := r.read(fd, 4096)
		if r.do(o); o.res < 0 {
			r.t.Fatalf("%v: %s", o, result(o.res))
		}
		if o.res == 0 {
			return all
		}
		if all = append(all, o.got()...); len(all) > endless {
			r.t.Fatalf("%v: no end after %d bytes", o, len(all))
		}
	}
}

// readFull reads exactly n bytes.
func (r *rig) readFull(fd, n int) []byte {
	r.t.Helper()
	all := make([]byte, 0, n)
	for len(all) < n {
		o := r.read(fd, n-len(all))
		if r.do(o); o.res <= 0 {
			r.t.Fatalf("%v: %s, with %d of %d bytes read", o, result(o.res), len(all), n)
		}
		all = append(all, o.got()...)
	}
	return all
}

// writeAll writes all of data.
func (r *rig) writeAll(fd int, data []byte) {
	r.t.Helper()
	for len(data) > 0 {
		o := r.write(fd, data)
		if r.do(o); o.res <= 0 {
			r.t.Fatalf("%v: %s", o, result(o.res))
		}
		data = data[o.res:]
	}
}
