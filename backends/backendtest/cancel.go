package backendtest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// pending makes operations of each kind that waits for an event. No event comes.
func (r *rig) pending() []*op {
	rd, _ := r.pipe()
	a, b := r.socketPair()
	_, c := r.packetPair()
	l, _ := r.listener()
	return []*op{
		r.read(rd, 8), r.vec(backends.OpReadv, rd, backends.Stream, 4, 4), r.read(a, 8),
		r.recv(a, 8, 0), r.recv(b, 8, msgWaitAll), r.message(backends.OpRecvMsg, b, 32, 4, 4), r.recv(c, 8, 0),
		r.accept(l, false), r.accept(l, true),
		r.pollFor(rd, pollIn, false), r.pollFor(rd, pollIn, true), r.pollFor(l, pollIn, false),
	}
}

// testCancelPending catches kinds of operations that cannot be cancelled, and those that then end
// twice or never.
func testCancelPending(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	ops := r.pending()
	r.submit(ops...)
	r.quiet(5 * time.Millisecond)
	for _, o := range ops {
		if len(o.events) > 0 {
			t.Fatalf("%v: %+v, though there is nothing to do for it", o, o.events)
		}
		r.cancel(o.id())
		r.cancel(o.id()) // once more has no effect
	}
	r.wait(ops...)
	for _, o := range ops {
		r.expect(o, canceled)
	}
	r.quiet(time.Millisecond)

	// The kinds that wait for room. Data that a cancelled one says it did not move must not turn
	// up.
	for _, code := range []backends.Code{backends.OpWrite, backends.OpWritev, backends.OpSend, backends.OpSendMsg} {
		rd, wr := r.socketPair()
		if code == backends.OpWrite || code == backends.OpWritev {
			rd, wr = r.pipe()
		}
		sent := 0
		for o := (*op)(nil); o == nil || o.res != canceled; {
			o = r.message(code, wr, 0, 100_000, 20_000)
			if o.c.Off = backends.Stream; code == backends.OpWritev {
				o.c.Bufs, o.c.Msg = o.c.Msg.Bufs, nil
				fill(o.c.Bufs, sent)
			} else if code == backends.OpSendMsg {
				fill(o.c.Msg.Bufs, sent)
			} else {
				o = r.from(code, wr, seq(sent, 120_000), backends.Stream, 0)
			}
			r.submit(o)
			r.quiet(time.Millisecond)
			r.cancel(o.id())
			if r.wait(o); o.res <= 0 && o.res != canceled {
				t.Fatalf("%v: %s", o, result(o.res))
			}
			sent += int(max(o.res, 0))
		}
		r.closeFD(wr)
		all := r.readToEnd(rd)
		checkSeq(t, code, all, 0)
		if len(all) != sent {
			t.Errorf("%v: %d bytes were written by their results, %d came", code, sent, len(all))
		}
	}
}

// testCancelInBatch catches cancels that overtake the operation they are for.
func testCancelInBatch(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	ops := r.pending()
	for _, o := range ops {
		r.submit(o)
		r.cancel(o.id())
	}
	r.wait(ops...)
	for _, o := range ops {
		r.expect(o, canceled)
	}
}

// testCancelOneOfMany catches cancels that hit more than they should: by descriptor, or by slot
// alone.
func testCancelOneOfMany(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	const n = 32
	rd, wr := r.pipe()
	var ops []*op
	for range n {
		ops = append(ops, r.read(rd, 1))
	}
	r.submit(ops...)
	r.poll(backends.NoWait)
	for i := 0; i < n; i += 2 {
		r.cancel(ops[i].id())
	}
	for i := 0; i < n; i += 2 {
		r.wait(ops[i])
		r.expect(ops[i], canceled)
	}
	r.quiet(time.Millisecond)
	for i := 1; i < n; i += 2 {
		if ops[i].done {
			t.Fatalf("%v: %s, but others were cancelled", ops[i], result(ops[i].res))
		}
	}
	r.writeAll(wr, seq(0, n/2))
	r.wait(ops...)
	for i := 1; i < n; i += 2 {
		r.expect(ops[i], 1)
	}
}

// testCancelFinished catches cancels that come late and hit the slot's next tenant: libxev's issue
// 233.
func testCancelFinished(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	old := r.nop()
	r.want(old, 0)
	r.cancel(old.id())
	r.quiet(time.Millisecond)

	r.reuse(old.id().Slot())
	o := r.read(rd, 4)
	r.submit(o)
	r.poll(backends.NoWait)
	if o.id().Slot() != old.id().Slot() {
		t.Fatalf("%v does not use the slot of %v", o, old)
	}
	r.cancel(old.id())
	r.quiet(5 * time.Millisecond)
	if o.done {
		t.Fatalf("%v: %s: a cancel of %v, which was over, hit it", o, result(o.res), old)
	}
	// A cancel that is queued when the data is there comes too late as well, or else the data stays
	// where it is: a kernel may finish the operation only when the thread that submitted it comes
	// by.
	r.writeAll(wr, []byte{1})
	r.cancel(o.id())
	r.wait(o)
	if o.res == canceled {
		o = r.read(rd, 4)
		r.submit(o)
		r.wait(o)
	}
	r.expect(o, 1)
}

// testCancelUnknown catches cancels of nothing that hit something, or surface as events.
func testCancelUnknown(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, _ := r.pipe()
	o := r.read(rd, 4)
	r.submit(o)
	id := o.id()
	for _, other := range []backends.ID{
		backends.MakeID(id.Slot(), id.Gen()+1), backends.MakeID(id.Slot()+1, id.Gen()), backends.MakeID(4711, 1),
		backends.MakeID(backends.MaxSlots-1, 1<<32-1),
	} {
		r.cancel(other)
	}
	r.quiet(5 * time.Millisecond)
	if o.done {
		t.Fatalf("%v: %s: a cancel of something else hit it", o, result(o.res))
	}
	r.cancel(id)
	r.wait(o)
	r.expect(o, canceled)
}

// testCancelQueueFull catches cancels that are dropped because the queue is full: zio's issue 623,
// a hang for ever.
func testCancelQueueFull(t *testing.T, env Env) {
	r := newRig(t, env, 2, 0)
	rd, _ := r.pipe()
	var ops []*op
	for range 64 {
		ops = append(ops, r.read(rd, 4))
	}
	r.submit(ops...)
	r.quiet(time.Millisecond)
	full := false
	for _, o := range ops {
		if !r.b.Cancel(o.id()) {
			full = true
			r.cancel(o.id())
		}
	}
	if !full {
		t.Logf("a queue of 2 entries took %d cancels without a Poll", len(ops))
	}
	r.wait(ops...)
	for _, o := range ops {
		r.expect(o, canceled)
	}
}

// testCancelRace catches data that is lost, or delivered twice, when a cancel and the data arrive
// at the same time: the read either says how much it got, or got nothing and the data is still
// there.
func testCancelRace(t *testing.T, env Env) {
	for _, kind := range []string{"pipe", "socket"} {
		r := newRig(t, env, 8, 0)
		rng := rand.New(rand.NewPCG(4, 2))
		rd, wr := r.socketPair()
		if kind == "pipe" {
			rd, wr = r.pipe()
		}
		written, read, cancelled := 0, 0, 0
		take := func(o *op) {
			t.Helper()
			if o.res <= 0 {
				t.Fatalf("%v: %s, want data or ECANCELED", o, result(o.res))
			}
			checkSeq(t, o, o.got(), read)
			read += int(o.res)
		}
		for range 400 {
			o := r.read(rd, 64)
			r.submit(o)
			if rng.IntN(2) == 0 {
				r.poll(backends.NoWait)
			}
			w := r.write(wr, seq(written, 1+rng.IntN(32)))
			steps := []func(){
				func() { r.submit(w) },
				func() { r.cancel(o.id()) },
				func() { r.poll(backends.NoWait) },
			}
			rng.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
			for _, step := range steps {
				step()
			}
			r.wait(w, o)
			if w.res <= 0 {
				t.Fatalf("%v: %s", w, result(w.res))
			}
			written += int(w.res)
			if o.res == canceled {
				cancelled++
			} else {
				take(o)
			}
			checkSeq(t, "what was left", r.readFull(rd, written-read), read) // so that the next read has to wait
			read = written
		}
		r.closeFD(wr)
		rest := r.readToEnd(rd)
		checkSeq(t, "what was left", rest, read)
		if read += len(rest); read != written {
			t.Fatalf("%s: %d bytes were written, %d were read", kind, written, read)
		}
		t.Logf("%s: %d of 400 reads were cancelled", kind, cancelled)
		r.close()
	}
}

// testCancelAcceptRace catches connections, and with them descriptors, that are lost when a cancel
// and the connection arrive at the same time.
func testCancelAcceptRace(t *testing.T, env Env) {
	r := newRig(t, env, 8, 0)
	rng := rand.New(rand.NewPCG(8, 15))
	l, addr := r.listener()
	const rounds = 60
	accepted := 0
	take := func(o *op) {
		t.Helper()
		for _, ev := range o.events {
			if ev.Res >= 0 {
				r.closeFD(r.own(ev.Res))
				accepted++
			} else if ev.Res != canceled {
				t.Fatalf("%v: %s", o, result(ev.Res))
			}
		}
	}
	for i := range rounds {
		a := r.accept(l, i%2 == 1)
		c := r.connect(r.socket(), addr)
		steps := []func(){
			func() { r.submit(c) },
			func() { r.cancel(a.id()) },
			func() { r.poll(backends.NoWait) },
		}
		rng.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
		r.submit(a)
		for _, step := range steps {
			step()
		}
		r.wait(c, a)
		r.expect(c, 0)
		take(a)
		r.closeFD(c.c.FD)
	}
	for accepted < rounds {
		a := r.accept(l, false)
		r.do(a)
		take(a)
	}
	a := r.accept(l, false)
	r.submit(a)
	r.quiet(time.Millisecond)
	if a.done {
		t.Fatalf("%v: %s: there were %d connections, and one more was found", a, result(a.res), rounds)
	}
	r.cancel(a.id())
	r.wait(a)
}

// testCancelPartial catches results that do not count what an operation had done before it was
// cancelled.
func testCancelPartial(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	a, b := r.socketPair()
	o := r.send(a, seq(0, 1<<20), msgWaitAll)
	r.submit(o)
	r.quiet(5 * time.Millisecond)
	if o.done {
		t.Fatalf("%v with MSG_WAITALL: %s, though nobody reads", o, result(o.res))
	}
	r.cancel(o.id())
	r.wait(o)
	if o.res <= 0 && o.res != canceled {
		t.Fatalf("%v: %s", o, result(o.res))
	}
	r.want(r.op(backends.Op{Code: backends.OpShutdown, FD: a, Flags: shutWr}), 0)
	all := r.readToEnd(b)
	checkSeq(t, o, all, 0)
	if len(all) != int(max(o.res, 0)) {
		t.Errorf("%v: %s, but %d bytes arrived", o, result(o.res), len(all))
	}

	a, b = r.socketPair()
	r.writeAll(a, seq(0, 10))
	o = r.recv(b, 100, msgWaitAll)
	r.submit(o)
	r.quiet(5 * time.Millisecond)
	r.cancel(o.id())
	r.wait(o)
	if o.res <= 0 && o.res != canceled {
		t.Fatalf("%v: %s", o, result(o.res))
	}
	checkSeq(t, o, o.got(), 0)
	r.closeFD(a)
	rest := r.readToEnd(b)
	checkSeq(t, "what was left", rest, len(o.got()))
	if len(o.got())+len(rest) != 10 {
		t.Errorf("%v: %s, and %d bytes were left of 10", o, result(o.res), len(rest))
	}
}
