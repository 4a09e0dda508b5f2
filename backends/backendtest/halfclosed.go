package backendtest

import (
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// halfClosed is a full stream socket whose peer will send nothing more, and that peer: a poll for
// room has to wait, but POLLRDHUP is up.
func (r *rig) halfClosed() (full, peer int) {
	r.t.Helper()
	full, peer = r.socketPair()
	for data := make([]byte, 1<<16); ; {
		o := r.send(full, data, msgDontWait)
		if r.do(o) < 0 {
			break
		}
	}
	r.want(r.op(backends.Op{Code: backends.OpShutdown, FD: peer, Flags: shutWr}), 0)
	return full, peer
}

// room makes room at a full socket.
func (r *rig) room(peer int) {
	r.t.Helper()
	for {
		o := r.recv(peer, 1<<16, msgDontWait)
		if r.do(o) < 0 {
			return
		}
	}
}

// testPollHalfClosed catches polls that report events not asked for, POLLRDHUP above all: a caller
// that waits for room would be woken for nothing again and again.
func testPollHalfClosed(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	full, peer := r.halfClosed()
	out := r.pollFor(full, pollOut, false)
	r.submit(out)
	r.quiet(20 * time.Millisecond)
	if out.done {
		t.Fatalf("%v: %s, though there is no room", out, result(out.res))
	}
	r.want(r.pollFor(full, pollIn, false), pollIn)
	if r.room(peer); !out.done {
		r.wait(out)
	}
	r.expect(out, pollOut)
	r.want(r.pollFor(full, pollOut, false), pollOut)
	r.want(r.pollFor(full, pollIn|pollOut, false), pollIn|pollOut)

	for _, multi := range []bool{false, true} { // a cancel finds it, wherever it is by then
		for polls := range 4 {
			full, peer := r.halfClosed()
			o := r.pollFor(full, pollOut, multi)
			r.submit(o)
			for range polls {
				r.poll(backends.NoWait)
			}
			r.cancel(o.id())
			r.wait(o)
			r.expect(o, canceled)
			r.room(peer)
		}
	}
	r.handOver()
}

// testMultiPollHalfClosed is testPollHalfClosed for multishot polls.
func testMultiPollHalfClosed(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	full, peer := r.halfClosed()
	m := r.pollFor(full, pollOut, true)
	r.submit(m)
	r.quiet(20 * time.Millisecond)
	if len(m.events) > 0 {
		t.Fatalf("%v: %+v, though there is no room", m, m.events)
	}
	r.room(peer)
	r.until("news of room", func() bool { return len(m.events) > 0 })
	for _, ev := range m.events {
		if ev.Res != pollOut {
			t.Errorf("%v: %s, want POLLOUT", m, result(ev.Res))
		}
	}
	r.end(m)
}

// testOverflowPollHalfClosed catches a poll that is lost, or reports events not asked for, when
// the completion queue overflows while it waits.
func testOverflowPollHalfClosed(t *testing.T, env Env) {
	r := newRig(t, env, small, small)
	for _, multi := range []bool{false, true} {
		full, peer := r.halfClosed()
		o := r.pollFor(full, pollOut, multi)
		r.submit(o)
		for range 5 {
			r.flood(10)
		}
		if len(o.events) > 0 {
			t.Fatalf("%v: %+v, though there is no room", o, o.events)
		}
		r.room(peer)
		r.until("room", func() bool { return len(o.events) > 0 })
		if o.events[0].Res != pollOut {
			t.Errorf("%v: %s, want POLLOUT", o, result(o.events[0].Res))
		}
		if multi {
			r.end(o)
		}
		r.drain(r.dst)
	}
}

// testPollUrgent catches polls for urgent data that take any data for that, or do not end when it
// comes.
func testPollUrgent(t *testing.T, env Env) {
	u, ok := env.(urgentEnv)
	if !ok {
		t.Skip("no urgent data here")
	}
	for _, mask := range []uint32{pollPri, pollIn | pollPri} {
		r := newRig(t, env, 0, 0)
		a, b := r.tcpPair()
		o := r.pollFor(b, mask, false)
		r.submit(o)
		r.quiet(time.Millisecond)
		r.writeAll(a, []byte("x"))
		r.quiet(20 * time.Millisecond)
		if o.done != (mask != pollPri) {
			t.Fatalf("%v for %#x: done=%v, with data that is not urgent", o, mask, o.done)
		}
		if o.done {
			r.expect(o, pollIn)
			r.readFull(b, 1)
			o = r.pollFor(b, pollPri, false)
			r.submit(o)
			r.quiet(time.Millisecond)
		}
		u.SendUrgent(t, a)
		r.wait(o)
		r.expect(o, pollPri)
		r.want(r.pollFor(b, pollPri, false), pollPri)
		r.close()
	}
}

// tcpPair is a connection by way of a Listener.
func (r *rig) tcpPair() (a, b int) {
	r.t.Helper()
	l, addr := r.listener()
	a = r.socket()
	c, s := r.connect(a, addr), r.accept(l, false)
	s.c.Flags = sockNonblock
	r.submit(c, s)
	r.wait(c, s)
	r.expect(c, 0)
	return a, r.own(s.res)
}

// testPollFDHalfClosed catches a backend that says that it has nothing to do while such a poll is
// not armed: on the scheduler drive nothing would poll it again.
func testPollFDHalfClosed(t *testing.T, env Env) {
	r, _, readable := pollable(t, env)
	full, peer := r.halfClosed()
	o := r.pollFor(full, pollOut, false)
	r.submit(o)
	r.handOver()
	r.closeFD(peer)
	if !readable(patience) {
		t.Fatal("the descriptor is not readable, though the poll must end")
	}
	r.wait(o)
	if o.res&pollHup == 0 {
		t.Errorf("%v: %s, want POLLHUP in the mask", o, result(o.res))
	}
}
