//go:build !linux || weir_portable

package aio

import (
	"bytes"
	"context"
	"net"
	"slices"
)

// writev writes bufs to c, after the writes before it: as one packet, or on a stream one after the
// other.
func (s *side) writev(ctx context.Context, c net.Conn, packet bool, bufs [][]byte) (n int64, err error) {
	err = s.do(ctx, func() error {
		if packet {
			var m int
			m, err = c.Write(bytes.Join(bufs, nil))
			n = int64(m)
			return err
		}
		rest := net.Buffers(slices.Clone(bufs)) // WriteTo consumes it
		n, err = rest.WriteTo(c)
		return err
	})
	return n, err
}

// Writev writes all of bufs, in order, as if they were one. bufs is not changed. The errors are
// those of Write, with the number of bytes written.
func (c *TCPConn) Writev(bufs [][]byte) (int64, error) {
	return c.WritevContext(context.Background(), bufs)
}

// WritevContext is [TCPConn.Writev] that also ends when ctx does, with its cause and the number of
// bytes written.
func (c *TCPConn) WritevContext(ctx context.Context, bufs [][]byte) (int64, error) {
	mustContext(ctx)
	return c.w.writev(ctx, c.netTCPConn, false, bufs)
}

// Writev writes all of bufs, in order, as if they were one. bufs is not changed. The errors are
// those of Write, with the number of bytes written.
func (c *UDPConn) Writev(bufs [][]byte) (int64, error) {
	return c.WritevContext(context.Background(), bufs)
}

// WritevContext is [UDPConn.Writev] that also ends when ctx does, with its cause and the number of
// bytes written.
func (c *UDPConn) WritevContext(ctx context.Context, bufs [][]byte) (int64, error) {
	mustContext(ctx)
	return c.w.writev(ctx, c.netUDPConn, true, bufs)
}

// Writev writes all of bufs, in order, as if they were one. bufs is not changed. The errors are
// those of Write, with the number of bytes written.
func (c *IPConn) Writev(bufs [][]byte) (int64, error) {
	return c.WritevContext(context.Background(), bufs)
}

// WritevContext is [IPConn.Writev] that also ends when ctx does, with its cause and the number of
// bytes written.
func (c *IPConn) WritevContext(ctx context.Context, bufs [][]byte) (int64, error) {
	mustContext(ctx)
	return c.w.writev(ctx, c.netIPConn, true, bufs)
}

// Writev writes all of bufs, in order, as if they were one. bufs is not changed. The errors are
// those of Write, with the number of bytes written.
func (c *UnixConn) Writev(bufs [][]byte) (int64, error) {
	return c.WritevContext(context.Background(), bufs)
}

// WritevContext is [UnixConn.Writev] that also ends when ctx does, with its cause and the number of
// bytes written.
func (c *UnixConn) WritevContext(ctx context.Context, bufs [][]byte) (int64, error) {
	mustContext(ctx)
	return c.w.writev(ctx, c.netUnixConn, c.RemoteAddr() == nil || c.RemoteAddr().Network() != "unix", bufs)
}
