//go:build !weir_portable

package aio

import (
	"context"
	"slices"
	"time"

	"github.com/weirgo/weir/internal/lane"
	aiort "github.com/weirgo/weir/runtime"
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
		v := &File{name: x.name, regular: x.regular, uncache: x.uncache, through: x.through, memory: x.memory, append: x.append}
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
	d := of.descriptor
	if d == nil {
		return nil
	}
	h.io, h.fd, h.errClosed, h.descriptor = of.io, of.fd, of.errClosed, d
	h.loop, h.lane = l.Loop(), l
	h.r.turn, h.w.turn = &d.reading, &d.writing
	d.mu.Lock()
	defer d.mu.Unlock()
	d.handles = append(d.handles, h)
	h.r.c.SetDeadline(translate(of.r.c.Deadline(), of.loop, h.loop))
	h.w.c.SetDeadline(translate(of.w.c.Deadline(), of.loop, h.loop))
	return h.detach
}

// detach ends a view: what concerns the descriptor no longer reaches it.
func (h *handle) detach() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := slices.Index(h.handles, h); i >= 0 {
		h.handles = slices.Delete(h.handles, i, i+1)
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
	if h == nil || h.lane == nil {
		return nil
	}
	return h.lane.Enter()
}

// direct reports whether the caller may try to do the work himself before it goes to the loop. A coroutine does if it is
// the only one that is ready: in company a system call of its own costs more than an entry in the one that all share.
func (h *handle) direct() bool { return h.io.direct && (h.lane == nil || h.lane.Alone()) }

// await runs the operation of c to its end, while others run.
func (h *handle) await(ctx context.Context, c *aiort.Completion) error {
	if h.lane == nil {
		return h.loop.Do(ctx, c)
	}
	return h.lane.Do(ctx, c)
}

// awaitEnd waits until the descriptor has been closed.
func (h *handle) awaitEnd() {
	if h.lane == nil {
		<-h.gone
		return
	}
	select {
	case <-h.gone:
	default:
		h.lane.Wait(func(wake func()) {
			go func() { <-h.gone; wake() }()
		}, nil)
	}
}
