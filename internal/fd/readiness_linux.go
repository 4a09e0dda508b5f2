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

// Readiness is how a call waits between two tries of a system call that does not wait.
//
// At first it polls. But a poll may end at once although the next try finds nothing: an error is in
// the socket's error queue, urgent data is in the way, the caller of a RawConn wants more than
// there is. This may last for as long as a peer likes. So after a poll in vain Readiness waits for
// changes, as package net always does.
//
// Its owner calls Stop at the end, and Progress when a try was not in vain.
type Readiness struct {
	h        *FD
	s        *Side
	events   uint32
	polled   bool // and no try has succeeded since
	watching bool
	edge     sys.Edge
}

// Readiness returns the Readiness of a side: events is what its calls wait for.
func (h *FD) Readiness(s *Side, events uint32) Readiness {
	return Readiness{h: h, s: s, events: events}
}

// Wait returns when another try may find something.
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

// Progress records that a try was not in vain.
func (r *Readiness) Progress() { r.polled = false }

func (r *Readiness) Stop() {
	if r.watching {
		r.edge.Close()
	}
}

// whenReady tries again whenever the socket is ready for the direction of s. It is for a call on
// memory that may fault: a loop, which serves many goroutines, must not wait for a page.
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

// Raw runs try until it returns true, as the operation in progress of s. Each time try returns
// false Raw waits for events.
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

// ErrNoWait is the error of package os for a file that cannot be waited for.
var ErrNoWait = errors.New("waiting for unsupported file type")
