//go:build !weir_portable

package fd

import (
	"context"
	"errors"
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
type Readiness struct {
	h        *FD
	s        *Side
	events   uint32
	polled   bool // and nothing was done since
	watching bool
	edge     sys.Edge
}

// readiness is that of a side: events is what its calls wait for.
func (h *FD) Readiness(s *Side, events uint32) Readiness {
	return Readiness{h: h, s: s, events: events}
}

// wait returns when another try may find something.
func (r *Readiness) Wait(ctx context.Context) error {
	if !r.polled {
		r.polled = true
		return r.poll(ctx, r.h.Sysfd, r.events)
	}
	if !r.watching {
		edge, errno := sys.WatchEdges(r.h.Sysfd, r.events)
		switch errno {
		case 0:
		case unix.EPERM:
			return ErrNoWait
		default:
			return os.NewSyscallError("epoll_create1", errno)
		}
		r.edge, r.watching = edge, true
	}
	err := r.poll(ctx, r.edge.FD, unix.POLLIN)
	r.edge.Take()
	return err
}

func (r *Readiness) poll(ctx context.Context, fd int, events uint32) error {
	_, err := r.h.do(ctx, r.s, &backends.Op{Code: backends.OpPoll, FD: fd, Flags: events})
	return err
}

// did notes that a try was not in vain.
func (r *Readiness) Progress() { r.polled = false }

func (r *Readiness) Stop() {
	if r.watching {
		r.edge.Close()
	}
}

// whenReady tries again whenever the socket is ready for what s is about. It is for a call on memory that
// may fault: a loop, which works for every goroutine, must not wait for a page.
//
//go:noinline
func (h *FD) whenReady(ctx context.Context, s *Side, events uint32, try func() (int, unix.Errno)) (int, error) {
	ready := h.Readiness(s, events)
	defer ready.Stop()
	for {
		if err := ready.Wait(ctx); err != nil {
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

// Raw runs f until it returns true, as the operation under way of s. Each time f returns false it waits for events.
func (h *FD) Raw(s *Side, events uint32, try func(fd uintptr) bool) error {
	if err := h.Begin(context.Background(), s); err != nil {
		return err
	}
	defer h.End(s)
	ready := h.Readiness(s, events)
	defer ready.Stop()
	for !try(uintptr(h.Sysfd)) {
		if err := ready.Wait(context.Background()); err != nil {
			return err
		}
	}
	return nil
}

// ErrNoWait is what package os says where it cannot wait either.
var ErrNoWait = errors.New("waiting for unsupported file type")
