//go:build !weir_portable

package aio

import (
	"context"
	"time"
	"weak"

	"github.com/weirgo/weir/internal/lane"
	aiort "github.com/weirgo/weir/runtime"
	"github.com/weirgo/weir/sched"
)

// Runtime returns the runtime below: for loops of one's own beside the facade (Runtime.NewLoop), which have its options.
func (io *IO) Runtime() *aiort.Runtime { return io.running() }

// View returns a connection, listener or file like x, of the same type and on the same descriptor,
// whose calls wait in the way of l, and what is to be detached when it is of no more use; nil for
// anything that is not of this package. Package coro calls it (Task.Conn and its like); lanes are
// nothing that others can make.
func View(l lane.Lane, x any) (view any, of lane.View) {
	switch x := x.(type) {
	case *TCPConn:
		if x != nil {
			v := &TCPConn{}
			return ifOpen(v, v.view(l, &x.socket))
		}
	case *UDPConn:
		if x != nil {
			v := &UDPConn{}
			return ifOpen(v, v.view(l, &x.socket))
		}
	case *IPConn:
		if x != nil {
			v := &IPConn{}
			return ifOpen(v, v.view(l, &x.socket))
		}
	case *UnixConn:
		if x != nil {
			v := &UnixConn{}
			return ifOpen(v, v.view(l, &x.socket))
		}
	case *TCPListener:
		if x != nil {
			v := &TCPListener{keepAlive: x.keepAlive, keepAliveConfig: x.keepAliveConfig}
			return ifOpen(v, v.view(l, &x.socket))
		}
	case *UnixListener:
		if x != nil {
			v := &UnixListener{}
			return ifOpen(v, v.view(l, &x.socket))
		}
	case *File:
		if x != nil {
			v := &File{name: x.name, traits: x.traits}
			return ifOpen(v, v.h.view(l, &x.h))
		}
	}
	return nil, nil
}

// ifOpen passes a view on, unless it is one of a zero value, which cannot be.
func ifOpen(v any, p *place) (any, lane.View) {
	if p == nil {
		return nil, nil
	}
	return v, p
}

func (s *socket) view(l lane.Lane, of *socket) *place {
	s.network, s.laddr, s.raddr = of.network, of.laddr, of.raddr
	s.family, s.sotype, s.connected = of.family, of.sotype, of.connected
	return s.h.view(l, &of.h)
}

// view makes h a view of another handle.
func (h *handle) view(l lane.Lane, of *handle) *place {
	if of.descriptor == nil {
		return nil
	}
	h.attach(l.Loop(), l, of)
	return h.as.place
}

// attach makes h another handle of the descriptor of one: Close and deadlines reach it too.
func (h *handle) attach(loop *aiort.Loop, l lane.Lane, of *handle) {
	h.loop, h.descriptor = loop, of.descriptor
	h.as = &viewing{lane: l, place: &place{of: weak.Make(h)}}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closing() {
		if h.views == nil {
			h.views = new(views)
		}
		h.views.add(h.as.place)
	}
	h.r.setDeadline(translate(of.r.deadline.Load(), of.loop, loop))
	h.w.setDeadline(translate(of.w.deadline.Load(), of.loop, loop))
}

// detach ends a view: what concerns the descriptor no longer reaches it.
func (h *handle) detach() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.views != nil {
		h.views.remove(h.as.place)
	}
}

// each calls f for every handle of the descriptor, with mu held.
func (d *descriptor) each(f func(*handle)) {
	f(d.first)
	if d.views == nil {
		return
	}
	for p := d.views.first; p != nil; p = p.next {
		if h := p.of.Value(); h != nil {
			f(h)
		}
	}
}

// translate turns a point in time on one loop's clock into the same on another's. Times at or before 1 have a meaning of
// their own: none, past, retired.
func translate(when int64, from, to *aiort.Loop) int64 {
	if when <= 1 || from == to {
		return when
	}
	return max(after(to.Now(), time.Duration(when-from.Now())), 1)
}

// enter checks that the caller may use h now: anybody may who is a goroutine, only its coroutine if h is a view. The
// error is why that must not wait.
func (h *handle) enter() error {
	if h == nil || h.lane() == nil {
		return nil
	}
	return h.lane().Enter()
}

// mayTry reports whether the caller may try to do the work of a side himself before it goes to the loop.
func (h *handle) mayTry(s *side) bool {
	return h.direct && (h.lane() == nil || h.lane().Direct(s == &h.w))
}

// await runs the operation of c to its end, while others run.
func (h *handle) await(ctx context.Context, c *aiort.Completion) error {
	if h.lane() == nil {
		return h.loop.Do(ctx, c)
	}
	return h.lane().Do(ctx, c)
}

// awaitEnd waits until the descriptor has been closed.
func (h *handle) awaitEnd() {
	defer sched.PutParker(h.gone)
	if h.lane() == nil {
		h.gone.Park()
		return
	}
	if !h.gone.TryPark() {
		h.lane().Wait(context.Background(), func(wake func()) {
			go func() { h.gone.Park(); wake() }()
		}, nil)
	}
}
