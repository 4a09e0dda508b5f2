package aio

import "io"

// ReadFrom writes what it reads from r until that ends: io.Copy uses it. It returns the bytes written.
func (c *TCPConn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// WriteTo writes what it reads to w, until the peer closes its side: io.Copy uses it. It returns the bytes written.
func (c *TCPConn) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{c})
}
