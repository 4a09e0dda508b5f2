package aio

import "context"

// The functions of fd.go on Default().

// Read is [IO.Read] on [Default].
func Read(ctx context.Context, fd int, p []byte) (int, error) { return Default().Read(ctx, fd, p) }

// Write is [IO.Write] on [Default].
func Write(ctx context.Context, fd int, p []byte) (int, error) { return Default().Write(ctx, fd, p) }

// ReadAt is [IO.ReadAt] on [Default].
func ReadAt(ctx context.Context, fd int, p []byte, off int64) (int, error) {
	return Default().ReadAt(ctx, fd, p, off)
}

// WriteAt is [IO.WriteAt] on [Default].
func WriteAt(ctx context.Context, fd int, p []byte, off int64) (int, error) {
	return Default().WriteAt(ctx, fd, p, off)
}

// Readv is [IO.Readv] on [Default].
func Readv(ctx context.Context, fd int, bufs [][]byte, off int64) (int, error) {
	return Default().Readv(ctx, fd, bufs, off)
}

// Writev is [IO.Writev] on [Default].
func Writev(ctx context.Context, fd int, bufs [][]byte, off int64) (int, error) {
	return Default().Writev(ctx, fd, bufs, off)
}

// Recv is [IO.Recv] on [Default].
func Recv(ctx context.Context, fd int, p []byte, flags int) (int, error) {
	return Default().Recv(ctx, fd, p, flags)
}

// Send is [IO.Send] on [Default].
func Send(ctx context.Context, fd int, p []byte, flags int) (int, error) {
	return Default().Send(ctx, fd, p, flags)
}

// RecvMsg is [IO.RecvMsg] on [Default].
func RecvMsg(ctx context.Context, fd int, m *Msg, flags int) (int, error) {
	return Default().RecvMsg(ctx, fd, m, flags)
}

// SendMsg is [IO.SendMsg] on [Default].
func SendMsg(ctx context.Context, fd int, m *Msg, flags int) (int, error) {
	return Default().SendMsg(ctx, fd, m, flags)
}

// Poll is [IO.Poll] on [Default].
func Poll(ctx context.Context, fd int, events int) (int, error) {
	return Default().Poll(ctx, fd, events)
}

// Fsync is [IO.Fsync] on [Default].
func Fsync(ctx context.Context, fd int) error { return Default().Fsync(ctx, fd) }

// Fdatasync is [IO.Fdatasync] on [Default].
func Fdatasync(ctx context.Context, fd int) error { return Default().Fdatasync(ctx, fd) }

// ShutdownFD is [IO.ShutdownFD] on [Default].
func ShutdownFD(ctx context.Context, fd int, how int) error {
	return Default().ShutdownFD(ctx, fd, how)
}

// Splice is [IO.Splice] on [Default].
func Splice(ctx context.Context, rfd int, roff int64, wfd int, woff int64, n int) (int, error) {
	return Default().Splice(ctx, rfd, roff, wfd, woff, n)
}
