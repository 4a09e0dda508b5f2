package aio

import (
	"context"
	"syscall"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// The functions below are single operations on descriptors. The caller owns the descriptor and
// keeps it open until the call returns. Each function makes the system call of its name once: short
// counts are possible, a Read of 0 bytes is the end, and errors are plain errnos (or the context's
// cause, if that ended first and nothing was done). They wait, also on a non-blocking descriptor.
// Buffers belong to weir until the call returns. All exist as functions, on Default(), and as
// methods of an IO. On systems that are not unix, which have no such descriptors, they are
// errors.ErrUnsupported. For operations of package op on an open File or connection use op.Op.On.

// Msg is the message of [IO.RecvMsg] and [IO.SendMsg].
type Msg = backends.Msg

// op does one operation with flags. It returns EINVAL if they take more than 32 bits.
func (io *IO) op(ctx context.Context, op backends.Op, flags int) (int, error) {
	mustContext(ctx)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if op.Flags = uint32(flags); int(op.Flags) != flags && int(int32(flags)) != flags {
		return 0, syscall.EINVAL
	}
	any := io.running().AnyWorker
	if op.Waits() {
		any = io.running().Any
	}
	l, err := any(uint32(op.FD))
	if err != nil {
		return 0, err
	}
	c := l.Borrow()
	defer l.Return(c)
	c.Op = op
	if err := l.Do(ctx, c); err != nil {
		return 0, err
	}
	return c.N(), nil
}

func (io *IO) in(ctx context.Context, op backends.Op, flags int) (int, error) {
	n, err := io.op(ctx, op, flags)
	if err == nil {
		sys.RaceReceived(op.Buf[:min(n, len(op.Buf))])
	}
	return n, err
}

func (io *IO) out(ctx context.Context, op backends.Op, flags int) (int, error) {
	sys.RaceSending(op.Buf)
	return io.op(ctx, op, flags)
}

// Read is read(2): from the file's position, or a pipe, terminal, event descriptor.
func (io *IO) Read(ctx context.Context, fd int, p []byte) (int, error) {
	return io.in(ctx, backends.Op{Code: backends.OpRead, FD: fd, Buf: p, Off: backends.Stream}, 0)
}

// Write is write(2). On descriptors 1 and 2 a pipe without a reader ends the program with SIGPIPE,
// as a Write of os.Stdout does: see package os/signal.
func (io *IO) Write(ctx context.Context, fd int, p []byte) (int, error) {
	n, err := io.out(ctx, backends.Op{Code: backends.OpWrite, FD: fd, Buf: p, Off: backends.Stream}, 0)
	if err != nil {
		return brokenPipe(fd, err, p)
	}
	return n, nil
}

// ReadAt is pread(2). It makes one call, so the count may be short before the end of the file.
func (io *IO) ReadAt(ctx context.Context, fd int, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, syscall.EINVAL
	}
	return io.in(ctx, backends.Op{Code: backends.OpRead, FD: fd, Buf: p, Off: off}, 0)
}

// WriteAt is pwrite(2). It makes one call, so the count may be short.
func (io *IO) WriteAt(ctx context.Context, fd int, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, syscall.EINVAL
	}
	return io.out(ctx, backends.Op{Code: backends.OpWrite, FD: fd, Buf: p, Off: off}, 0)
}

// Readv is preadv(2), or readv(2) with off -1. More than 1024 bufs that are not empty are EMSGSIZE.
func (io *IO) Readv(ctx context.Context, fd int, bufs [][]byte, off int64) (int, error) {
	n, err := io.op(ctx, backends.Op{Code: backends.OpReadv, FD: fd, Bufs: bufs, Off: off}, 0)
	left := n
	for _, b := range bufs {
		part := min(left, len(b))
		sys.RaceReceived(b[:part])
		left -= part
	}
	return n, err
}

// Writev is pwritev(2), or writev(2) with off -1. More than 1024 bufs that are not empty are
// EMSGSIZE, because a part of them might be a part of a datagram. SIGPIPE is as with [IO.Write].
func (io *IO) Writev(ctx context.Context, fd int, bufs [][]byte, off int64) (int, error) {
	for _, b := range bufs {
		sys.RaceSending(b)
	}
	n, err := io.op(ctx, backends.Op{Code: backends.OpWritev, FD: fd, Bufs: bufs, Off: off}, 0)
	if err != nil {
		return brokenPipe(fd, err, bufs...)
	}
	return n, nil
}

// Recv is recv(2) with flags MSG_*.
func (io *IO) Recv(ctx context.Context, fd int, p []byte, flags int) (int, error) {
	return io.in(ctx, backends.Op{Code: backends.OpRecv, FD: fd, Buf: p}, flags)
}

// Send is send(2) with flags MSG_*; it never raises SIGPIPE.
func (io *IO) Send(ctx context.Context, fd int, p []byte, flags int) (int, error) {
	return io.out(ctx, backends.Op{Code: backends.OpSend, FD: fd, Buf: p}, flags)
}

// RecvMsg is recvmsg(2) with flags MSG_*. It cuts m.Control to what arrived and sets m.Addr.Len and
// m.Flags.
func (io *IO) RecvMsg(ctx context.Context, fd int, m *Msg, flags int) (int, error) {
	return io.op(ctx, backends.Op{Code: backends.OpRecvMsg, FD: fd, Msg: m}, flags)
}

// SendMsg is sendmsg(2) with flags MSG_*; it never raises SIGPIPE.
func (io *IO) SendMsg(ctx context.Context, fd int, m *Msg, flags int) (int, error) {
	return io.op(ctx, backends.Op{Code: backends.OpSendMsg, FD: fd, Msg: m}, flags)
}

// Poll waits until one of events, POLLIN and so on, occurs, and returns those that have; POLLERR
// and POLLHUP are always included.
func (io *IO) Poll(ctx context.Context, fd int, events int) (int, error) {
	return io.op(ctx, backends.Op{Code: backends.OpPoll, FD: fd}, events)
}

// Fsync is fsync(2). Once it has begun a cancellation does not end it.
func (io *IO) Fsync(ctx context.Context, fd int) error {
	_, err := io.op(ctx, backends.Op{Code: backends.OpFsync, FD: fd}, 0)
	return err
}

// Fdatasync is fdatasync(2). Once it has begun a cancellation does not end it.
func (io *IO) Fdatasync(ctx context.Context, fd int) error {
	_, err := io.op(ctx, backends.Op{Code: backends.OpFdatasync, FD: fd}, 0)
	return err
}

// ShutdownFD is shutdown(2) of a socket with SHUT_*. ([IO.Shutdown] ends the IO.)
func (io *IO) ShutdownFD(ctx context.Context, fd int, how int) error {
	_, err := io.op(ctx, backends.Op{Code: backends.OpShutdown, FD: fd}, how)
	return err
}
