//go:build !weir_portable

package fd

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys"
)

// Datagrams returns the side's memory for n packets, or for as many as one system call takes. It is
// for the operation in progress, between Begin and End.
func (s *Side) Datagrams(n int) *sys.Datagrams {
	m := s.message(nil, nil)
	m.many.Use(n)
	return &m.many
}

// NoGSO reports whether SetNoGSO has been called: the path refuses buffers that the kernel would
// cut into datagrams.
func (s *Side) NoGSO() bool { return s.packet != nil && s.packet.noGSO }

// SetNoGSO sets what [Side.NoGSO] reports.
func (s *Side) SetNoGSO(no bool) { s.message(nil, nil).noGSO = no }

// ReceiveDatagrams fills d with the packets that there are, and waits until there is one. It
// returns their number. It is for the operation in progress of s, between Begin and End.
func (h *FD) ReceiveDatagrams(ctx context.Context, s *Side, d *sys.Datagrams) (int, error) {
	ready := h.Readiness(s, unix.POLLIN)
	defer ready.Stop()
	for l := (spinner{}); ; {
		if !h.next(s, &l) {
			if err := ready.Wait(ctx); err != nil {
				return 0, SyscallError("recvmmsg", err)
			}
		}
		n, errno := d.TryRecv(h.Sysfd)
		switch errno {
		case 0:
			h.hit(s, &l)
			return n, nil
		case unix.EAGAIN:
		default:
			return 0, os.NewSyscallError("recvmmsg", errno)
		}
	}
}

// SendDatagrams sends the first n packets of d, and waits while there is no room. It returns how
// many it has sent: with an error, those before the one that failed. It is for the operation in
// progress of s, between Begin and End.
func (h *FD) SendDatagrams(ctx context.Context, s *Side, d *sys.Datagrams, n int) (sent int, err error) {
	ready := h.Readiness(s, unix.POLLOUT)
	defer ready.Stop()
	for sent < n {
		some, errno := d.TrySend(h.Sysfd, sent, n)
		switch errno {
		case 0:
			h.CountDirect()
			ready.Progress()
			sent += some
		case unix.EAGAIN:
			if err := ready.Wait(ctx); err != nil {
				return sent, SyscallError("sendmmsg", err)
			}
		default:
			return sent, os.NewSyscallError("sendmmsg", errno)
		}
		if sent == n {
			break
		}
		if err := h.Check(s); err != nil {
			return sent, err
		}
		if ctx.Err() != nil {
			return sent, context.Cause(ctx)
		}
	}
	return sent, nil
}
