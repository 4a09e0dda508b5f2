//go:build !weir_portable

package aio

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// readiness is how a call waits between two tries of a system call that does not wait.
//
// At first it polls. But a poll may end at once, and the next try find nothing all the same: an
// error stands in the socket's error queue, urgent data is in the way, the caller of a RawConn
// wants more than there is. This may stay so for as long as a peer likes. So after a poll in vain
// readiness waits for changes, as package net always does.
//
// Its owner calls stop at the end, and did when a try was not in vain.
type readiness struct {
	h        *handle
	s        *side
	events   uint32
	polled   bool // and nothing was done since
	watching bool
	edge     sys.Edge
}

// readiness is that of a side: events is what its calls wait for.
func (h *handle) readiness(s *side, events uint32) readiness {
	return readiness{h: h, s: s, events: events}
}

// wait returns when another try may find something.
func (r *readiness) wait(ctx context.Context) error {
	if !r.polled {
		r.polled = true
		return r.poll(ctx, r.h.fd, r.events)
	}
	if !r.watching {
		edge, errno := sys.WatchEdges(r.h.fd, r.events)
		switch errno {
		case 0:
		case unix.EPERM:
			return errNoWait
		default:
			return os.NewSyscallError("epoll_create1", errno)
		}
		r.edge, r.watching = edge, true
	}
	err := r.poll(ctx, r.edge.FD, unix.POLLIN)
	r.edge.Take()
	return err
}

func (r *readiness) poll(ctx context.Context, fd int, events uint32) error {
	_, err := r.h.do(ctx, r.s, &backends.Op{Code: backends.OpPoll, FD: fd, Flags: events})
	return err
}

// did notes that a try was not in vain.
func (r *readiness) did() { r.polled = false }

func (r *readiness) stop() {
	if r.watching {
		r.edge.Close()
	}
}

// whenReady tries again whenever the socket is ready for what s is about. It is for a call on memory that
// may fault: a loop, which works for every goroutine, must not wait for a page.
//
//go:noinline
func (h *handle) whenReady(ctx context.Context, s *side, events uint32, try func() (int, unix.Errno)) (int, error) {
	ready := h.readiness(s, events)
	defer ready.stop()
	for {
		if err := ready.wait(ctx); err != nil {
			return 0, err
		}
		switch n, errno := try(); errno {
		case 0:
			return n, nil
		case unix.EAGAIN:
		default:
			return 0, errno
		}
	}
}
