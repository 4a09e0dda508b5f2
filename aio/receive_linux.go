//go:build !weir_portable

package aio

import (
	"context"
	"io"
	"syscall"

	"github.com/weirgo/weir/internal/fd"

	"golang.org/x/sys/unix"
)

// Receive waits until data has arrived, reads it into a buffer that it then borrows, and calls f
// with it, once. The bytes belong to f until it returns. So a connection that waits holds no
// buffer, which suits servers with many idle connections. An error of f is returned as it is.
// Otherwise it is as [TCPConn.ReadContext], including io.EOF at the end of the stream.
func (c *TCPConn) Receive(ctx context.Context, f func(p []byte) error) error {
	mustContext(ctx)
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.receive(ctx, f)
}

// Receive is [TCPConn.Receive] for stream sockets, and EINVAL for others. It drops descriptors that
// come with the bytes, as Read does.
func (c *UnixConn) Receive(ctx context.Context, f func(p []byte) error) error {
	mustContext(ctx)
	if !c.ok() || c.sotype != unix.SOCK_STREAM {
		return syscall.EINVAL
	}
	return c.receive(ctx, f)
}

func (c *conn) receive(ctx context.Context, f func(p []byte) error) error {
	buf, n, err := c.fd.ReadBorrowed(ctx)
	if err != nil {
		return c.opError("read", err)
	}
	defer fd.Lendable.Put(buf)
	if n == 0 {
		return io.EOF
	}
	return f(buf[:n])
}

// copyTo is io.Copy that holds no buffer while it waits.
func (c *conn) copyTo(w io.Writer) (n int64, err error) {
	write := func(p []byte) error {
		m, err := w.Write(p)
		n += int64(m)
		if err == nil && m < len(p) {
			err = io.ErrShortWrite
		}
		return err
	}
	for err == nil {
		err = c.receive(context.Background(), write)
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}
