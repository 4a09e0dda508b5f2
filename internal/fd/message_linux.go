//go:build !weir_portable

package fd

import (
	"bytes"
	"context"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// packet is what the kernel reads and writes beside the buffers of a message. The first operation
// that needs it makes it, and the side keeps it.
type packet struct {
	msg  backends.Msg
	addr backends.Sockaddr
	buf  [1][]byte
	one  [1]byte
	list [][]byte // of a Writev: what is still to be sent
	many sys.Datagrams

	noGSO bool // WriteBatch cuts buffers itself, because the kernel would not
}

// message prepares the side's packet for p and oob.
func (s *Side) message(p, oob []byte) *packet {
	if s.packet == nil {
		s.packet = new(packet)
	}
	m := s.packet
	m.buf[0] = p
	m.msg = backends.Msg{Bufs: m.buf[:], Control: oob}
	return m
}

// forget drops the references to the caller's buffers.
func (m *packet) forget() {
	m.buf[0], m.msg = nil, backends.Msg{}
	clear(m.list)
	m.list = m.list[:0]
}

// withData makes sure that there is a byte beside control messages: other than on datagram sockets,
// the kernel carries none without data. It reports whether it had to add one.
func (m *packet) withData(sotype uint16) bool {
	if len(m.buf[0]) > 0 || len(m.msg.Control) == 0 || sotype == unix.SOCK_DGRAM {
		return false
	}
	m.one[0] = 0
	m.buf[0] = m.one[:]
	return true
}

// RecvFrom receives a packet, cut to len(p), and its sender's address.
func (h *FD) RecvFrom(ctx context.Context, p []byte, from *backends.Sockaddr) (int, error) {
	n, _, _, err := h.receive(ctx, "recvfrom", p, nil, 0, unix.SOCK_DGRAM, from)
	return n, err
}

// RecvMsg receives a message with flags MSG_*. It returns the bytes of data, those of control
// messages and the flags; from receives the sender's address.
func (h *FD) RecvMsg(ctx context.Context, p, oob []byte, flags uint32, sotype uint16, from *backends.Sockaddr) (n, oobn,
	got int, err error) {
	return h.receive(ctx, "recvmsg", p, oob, flags, sotype, from)
}

func (h *FD) receive(ctx context.Context, call string, p, oob []byte, flags uint32, sotype uint16,
	from *backends.Sockaddr) (n, oobn, got int, err error) {
	s := &h.R
	if err := h.Begin(ctx, s); err != nil {
		return 0, 0, 0, err
	}
	defer h.End(s)
	m := s.message(p, oob)
	defer m.forget()
	m.withData(sotype)
	m.addr.Len = uint32(len(m.addr.Data))
	m.msg.Addr = &m.addr
	n, errno := 0, unix.EAGAIN
	for l := (spinner{}); errno == unix.EAGAIN && h.next(s, &l); {
		if n, errno = sys.TryRecvMsg(h.Sysfd, (*sys.Message)(&m.msg), flags); errno != unix.EAGAIN {
			h.hit(s, &l)
		}
	}
	switch errno {
	case 0:
	case unix.EAGAIN:
		if n, err = h.receiveLater(ctx, s, &m.msg, flags); err != nil {
			return 0, 0, 0, SyscallError(call, err)
		}
	default:
		return 0, 0, 0, os.NewSyscallError(call, errno)
	}
	sys.RaceReceived(m.buf[0][:min(n, len(m.buf[0]))])
	sys.RaceReceived(m.msg.Control)
	*from = m.addr
	return n, len(m.msg.Control), int(m.msg.Flags), nil
}

// receiveLater receives a message when there is one. If a page of its memory is missing the caller
// makes the system call, because a loop must not wait for a page.
func (h *FD) receiveLater(ctx context.Context, s *Side, m *backends.Msg, flags uint32) (int, error) {
	if !sys.Missing(m.Control) && !slices.ContainsFunc(m.Bufs, sys.Missing) {
		return h.do(ctx, s, &backends.Op{Code: backends.OpRecvMsg, FD: h.Sysfd, Msg: m, Flags: flags})
	}
	events := uint32(unix.POLLIN)
	switch {
	case flags&unix.MSG_ERRQUEUE != 0:
		events = unix.POLLERR
	case flags&unix.MSG_OOB != 0:
		events = unix.POLLPRI
	}
	return h.whenReady(ctx, s, events, func() (int, unix.Errno) {
		return sys.TryRecvMsg(h.Sysfd, (*sys.Message)(m),
			flags)
	})
}

// SendTo sends p as one packet to the given address or, if that is nil, to the peer.
func (h *FD) SendTo(ctx context.Context, call string, p []byte, to *backends.Sockaddr) (int, error) {
	return h.transmit(ctx, call, p, nil, unix.SOCK_DGRAM, to)
}

// SendMsg sends a message to the given address or, if that is nil, to the peer. It returns the
// bytes of p sent.
func (h *FD) SendMsg(ctx context.Context, p, oob []byte, sotype uint16, to *backends.Sockaddr) (int, error) {
	return h.transmit(ctx, "sendmsg", p, oob, sotype, to)
}

func (h *FD) transmit(ctx context.Context, call string, p, oob []byte, sotype uint16, to *backends.Sockaddr) (n int,
	err error) {
	s := &h.W
	if err := h.Begin(ctx, s); err != nil {
		return 0, err
	}
	defer h.End(s)
	m := s.message(p, oob)
	defer m.forget()
	added := m.withData(sotype)
	if to != nil {
		m.addr = *to
		m.msg.Addr = &m.addr
	}
	sys.RaceSending(m.buf[0])
	sys.RaceSending(oob)
	n, errno := 0, unix.EAGAIN
	if h.mayTry(s) {
		if n, errno = sys.TrySendMsg(h.Sysfd, (*sys.Message)(&m.msg)); errno != unix.EAGAIN {
			h.CountDirect()
		}
	}
	switch errno {
	case 0:
	case unix.EAGAIN:
		if n, err = h.sendLater(ctx, s, &m.msg, sotype == unix.SOCK_STREAM); err != nil {
			return 0, SyscallError(call, err)
		}
	default:
		return 0, os.NewSyscallError(call, errno)
	}
	if added {
		n = 0
	}
	if n < len(p) && sotype != unix.SOCK_STREAM {
		return n, os.NewSyscallError(call, unix.EMSGSIZE)
	}
	return n, nil
}

// Writev writes all of bufs to a stream socket, as many as the kernel takes with each call, or
// sends them as one packet.
func (h *FD) Writev(ctx context.Context, bufs [][]byte, stream bool) (n int64, err error) {
	s := &h.W
	if err := h.Begin(ctx, s); err != nil {
		return 0, err
	}
	defer h.End(s)
	m := s.message(nil, nil)
	defer m.forget()
	if !stream && len(bufs) > backends.MaxIovecs {
		bufs = [][]byte{bytes.Join(bufs, nil)} // a packet is sent whole, and one call takes no more pieces
	}
	m.list = append(m.list[:0], bufs...)
	for _, b := range bufs {
		sys.RaceSending(b)
	}
	for rest := m.list; ; {
		m.msg.Bufs = rest
		moved, errno := 0, unix.EAGAIN
		if h.mayTry(s) {
			moved, errno = sys.TrySendMsg(h.Sysfd, (*sys.Message)(&m.msg))
		}
		switch errno {
		case 0:
			h.CountDirect()
		case unix.EAGAIN:
			if moved, err = h.sendLater(ctx, s, &m.msg, stream); err != nil {
				return n, SyscallError("writev", err)
			}
		default:
			return n, os.NewSyscallError("writev", errno)
		}
		n += int64(moved)
		if rest = skip(rest, moved); len(rest) == 0 {
			return n, nil
		}
		if !stream {
			return n, os.NewSyscallError("writev", unix.EMSGSIZE)
		}
		if err := h.Check(s); err != nil {
			return n, err
		}
	}
}

// sendLater sends a message when there is room for it: see receiveLater.
func (h *FD) sendLater(ctx context.Context, s *Side, m *backends.Msg, stream bool) (int, error) {
	if sys.Missing(m.Control) || slices.ContainsFunc(m.Bufs, sys.Missing) {
		return h.whenReady(ctx, s, unix.POLLOUT, func() (int, unix.Errno) {
			return sys.TrySendMsg(h.Sysfd,
				(*sys.Message)(m))
		})
	}
	op := &backends.Op{Code: backends.OpSendMsg, FD: h.Sysfd, Msg: m}
	if stream {
		op.Off = backends.Stream
	}
	return h.do(ctx, s, op)
}

// skip leaves out the first n bytes of bufs, and empty buffers before the first that is not. It
// changes bufs.
func skip(bufs [][]byte, n int) [][]byte {
	for len(bufs) > 0 && len(bufs[0]) <= n {
		n -= len(bufs[0])
		bufs = bufs[1:]
	}
	if n > 0 {
		bufs[0] = bufs[0][n:]
	}
	return bufs
}
