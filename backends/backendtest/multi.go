package backendtest

import (
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// A multishot operation may end at any time: what it has not reported then, the next one does.

// testMultiPoll catches multishot polls that report once only, or go on after they said that they
// end.
func testMultiPoll(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	m := r.pollFor(rd, pollIn, true)
	r.submit(m)
	r.quiet(time.Millisecond)
	if len(m.events) > 0 {
		t.Fatalf("%v: %+v, though the pipe is empty", m, m.events)
	}
	more := 0
	for i := range 20 {
		seen := len(m.events)
		r.writeAll(wr, []byte{byte(i)})
		r.until("news of a write", func() bool {
			if len(m.events) > seen {
				return true
			}
			if m.done {
				t.Fatalf("%v ended without an event", m)
			}
			return false
		})
		for _, ev := range m.events[seen:] {
			if ev.Res&pollIn == 0 {
				t.Fatalf("%v: %s, want POLLIN in the mask", m, result(ev.Res))
			}
			if ev.More {
				more++
			}
		}
		r.readFull(rd, 1)
		if m.done {
			m = r.pollFor(rd, pollIn, true)
			r.submit(m)
		}
	}
	r.end(m)
	if more == 0 {
		t.Error("no poll stayed armed after an event")
	}
}

// end cancels a multishot operation that may have ended already.
func (r *rig) end(m *op) {
	r.t.Helper()
	if !m.done {
		r.cancel(m.id())
		r.wait(m)
	}
	if m.res < 0 {
		r.expect(m, canceled)
	}
}

// acceptor accepts connections with a multishot accept, which it arms again where it ends.
type acceptor struct {
	r     *rig
	fd    int
	m     *op
	taken int   // events of m that were looked at
	conns []int // accepted
	more  int   // events after which the accept stayed armed
}

func (r *rig) newAcceptor(fd int) *acceptor {
	a := &acceptor{r: r, fd: fd, m: r.accept(fd, true)}
	r.submit(a.m)
	return a
}

// collect looks at the events that came.
func (a *acceptor) collect() {
	a.r.t.Helper()
	for ; a.taken < len(a.m.events); a.taken++ {
		ev := a.m.events[a.taken]
		if ev.Res < 0 {
			a.r.t.Fatalf("%v: %s", a.m, result(ev.Res))
		}
		a.conns = append(a.conns, a.r.own(ev.Res))
		if ev.More {
			a.more++
		}
	}
	if a.m.done {
		a.m, a.taken = a.r.accept(a.fd, true), 0
		a.r.submit(a.m)
	}
}

// stop cancels the accept. Connections may still have come.
func (a *acceptor) stop() {
	a.r.t.Helper()
	a.r.cancel(a.m.id())
	a.r.wait(a.m)
	for _, ev := range a.m.events[a.taken:] {
		if ev.Res >= 0 {
			a.conns = append(a.conns, a.r.own(ev.Res))
		} else if ev.Res != canceled {
			a.r.t.Fatalf("%v: %s", a.m, result(ev.Res))
		}
	}
}

// testMultiAccept catches multishot accepts that lose connections, report one twice, or never end.
func testMultiAccept(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	l, addr := r.listener()
	var early []*op // connections that are there before the accept
	for range 3 {
		early = append(early, r.connect(r.socket(), addr))
	}
	r.submit(early...)
	r.wait(early...)
	a := r.newAcceptor(l)
	const conns = 10
	var clients []int
	for _, c := range early {
		clients = append(clients, c.c.FD)
	}
	for len(clients) < conns {
		c := r.connect(r.socket(), addr)
		r.want(c, 0)
		clients = append(clients, c.c.FD)
	}
	r.until("connections", func() bool { a.collect(); return len(a.conns) == conns })
	r.quiet(time.Millisecond)
	a.stop()
	if len(a.conns) != conns {
		t.Errorf("%d connections were made, %d accepted", conns, len(a.conns))
	}
	if a.more == 0 {
		t.Error("no accept stayed armed after a connection")
	}
	for i, fd := range clients {
		r.writeAll(fd, []byte{byte(i)})
	}
	seen := map[byte]bool{}
	for _, fd := range a.conns {
		seen[r.readFull(fd, 1)[0]] = true
	}
	if len(seen) != conns {
		t.Errorf("%d different connections were accepted, want %d", len(seen), conns)
	}
}

// small is the size of both queues in the tests of overflow.
const small = 8

// flood makes events faster than it takes them, about one per Poll, so that a small completion
// queue overflows. It leaves operations in flight.
func (r *rig) flood(n int) {
	r.t.Helper()
	one := make([]backends.Event, 1)
	for range n {
		var ops []*op
		for range small {
			ops = append(ops, r.nop())
		}
		r.submitPolling(one, ops...)
		r.pollInto(one, backends.NoWait)
	}
}

// testOverflow catches events that are lost when the completion queue overflows, and a Poll that
// goes to sleep on those that did not fit.
func testOverflow(t *testing.T, env Env) {
	r := newRig(t, env, small, small)
	for range 5 {
		r.flood(30)
		r.drain(r.dst)
	}
	rd, wr := r.pipe()
	o := r.read(rd, 10)
	r.submit(o)
	r.flood(10)
	r.writeAll(wr, []byte("x"))
	r.flood(10)
	r.wait(o)
	r.expect(o, 1)
	r.drain(r.dst[:1])
	t.Logf("the completion queue overflowed %d times", r.b.Counters().Overflows)
}

// testOverflowMultiPoll catches news that gets lost when the completion queue overflows: the
// multishot poll ends, and the one that takes its place has to find what happened in between.
func testOverflowMultiPoll(t *testing.T, env Env) {
	r := newRig(t, env, small, small)
	rd, wr := r.pipe()
	m := r.pollFor(rd, pollIn, true)
	r.submit(m)
	ended := 0
	for i := range 20 {
		seen := len(m.events)
		r.flood(4)
		w := r.write(wr, []byte{byte(i)})
		r.submitPolling(r.dst[:1], w)
		r.flood(4)
		r.wait(w)
		r.expect(w, 1)
		r.until("news of a write", func() bool {
			if m.done && len(m.events) == seen {
				ended++
				m, seen = r.pollFor(rd, pollIn, true), 0
				r.submit(m)
			}
			return len(m.events) > seen
		})
		checkReady(t, m)
		if got := r.readFull(rd, 1)[0]; got != byte(i) {
			t.Fatalf("read %d, want %d", got, i)
		}
		if m.done {
			ended++
			m = r.pollFor(rd, pollIn, true)
			r.submit(m)
		}
	}
	r.cancel(m.id())
	r.drain(r.dst)
	t.Logf("the poll ended %d times", ended)
}

// checkReady looks whether all events of a multishot poll are news.
func checkReady(t *testing.T, m *op) {
	t.Helper()
	for _, ev := range m.events {
		if ev.Res&pollIn == 0 {
			t.Fatalf("%v: %s, want POLLIN in the mask", m, result(ev.Res))
		}
	}
}

// testOverflowMultiAccept catches connections that are lost when the completion queue overflows.
func testOverflowMultiAccept(t *testing.T, env Env) {
	r := newRig(t, env, small, small)
	l, addr := r.listener()
	a := r.newAcceptor(l)
	const conns = 40
	for range conns {
		r.flood(3)
		r.submitPolling(r.dst[:1], r.connect(r.socket(), addr))
		a.collect()
	}
	r.until("connections", func() bool { a.collect(); return len(a.conns) == conns })
	a.stop()
	r.drain(r.dst)
	if len(a.conns) != conns {
		t.Errorf("%d connections were made, %d accepted", conns, len(a.conns))
	}
}
