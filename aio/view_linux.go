//go:build !weir_portable

package aio

import (
	"context"
	"time"

	"github.com/weirgo/weir/internal/lane"
	aiort "github.com/weirgo/weir/runtime"
	"github.com/weirgo/weir/sched"
)

// Runtime returns the runtime below: for loops of one's own beside the facade (Runtime.NewLoop), which have its options.
func (io *IO) Runtime() *aiort.Runtime { return io.rt }

// View returns a connection, listener or file like x, of the same type and on the same descriptor, whose calls wait in
// the way of l, and a function to call when it is of no more use; nil for anything that is not of this package. Package
// coro calls it (Task.Conn and its like); lanes are nothing that others can make.
func View(l lane.Lane, x any) (view any, detach func()) {
	switch x := x.(type) {
	case *TCPConn:
		v := &TCPConn{}
		return ifOpen(v, v.view(l, &x.socket))
	case *UDPConn:
		v := &UDPConn{}
		return ifOpen(v, v.view(l, &x.socket))
	case *IPConn:
		v := &IPConn{}
		return ifOpen(v, v.view(l, &x.socket))
	case *UnixConn:
		v := &UnixConn{}
		return ifOpen(v, v.view(l, &x.socket))
	case *TCPListener:
		v := &TCPListener{keepAlive: x.keepAlive, keepAliveConfig: x.keepAliveConfig}
		return ifOpen(v, v.view(l, &x.socket))
	case *UnixListener:
		v := &UnixListener{}
		return ifOpen(v, v.view(l, &x.socket))
	case *File:
		v := &File{name: x.name, regular: x.regular, uncache: x.uncache, through: x.through, memory: x.memory, append: x.append, dir: x.dir}
		return ifOpen(v, v.h.view(l, &x.h))
	}
	return nil, nil
}

// ifOpen passes a view on, unless it is one of a zero value, which cannot be.
func ifOpen(v any, detach func()) (any, func()) {
	if detach == nil {
		return nil, nil
	}
	return v, detach
}

func (s *socket) view(l lane.Lane, of *socket) (detach func()) {
	s.network, s.laddr, s.raddr = of.network, of.laddr, of.raddr
	s.family, s.sotype, s.connected = of.family, of.sotype, of.connected
	return s.h.view(l, &of.h)
}

// view makes h a view of another handle.
func (h *handle) view(l lane.Lane, of *handle) (detach func()) {
	if of.descriptor == nil {
		return nil
	}
	h.attach(l.Loop(), l, of)
	return h.detach
}

// attach makes h another handle of the descriptor of one: Close and deadlines reach it too.
func (h *handle) attach(loop *aiort.Loop, l lane.Lane, of *handle) {
	h.loop, h.as, h.descriptor = loop, &viewing{lane: l}, of.descriptor
	h.mu.Lock()
	defer h.mu.Unlock()
	h.as.next, h.handles = h.handles, h
	h.r.setDeadline(translate(of.r.deadline.Load(), of.loop, loop))
	h.w.setDeadline(translate(of.w.deadline.Load(), of.loop, loop))
}

// detach ends a view: what concerns the descriptor no longer reaches it.
func (h *handle) detach() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for at := &h.handles; *at != nil && (*at).as != nil; at = &(*at).as.next {
		if *at == h {
			*at = h.as.next
			return
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
		h.lane().Wait(func(wake func()) {
			go func() { h.gone.Park(); wake() }()
		}, nil)
	}
}
