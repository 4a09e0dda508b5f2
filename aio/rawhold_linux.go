//go:build !weir_portable

package aio

import (
	"fmt"
)

// Methods that package op needs of the syscall.RawConn of a File or connection: see op.Op.On.

func (c rawFile) Hold(end func()) (fd int, release func(), err error) { return c.f.fd.Hold(end) }

func (c rawFile) Closed() error { return c.f.fd.ErrClosed() }

func (c rawFile) Name() string { return c.f.name }

func (c *rawConn) Hold(end func()) (fd int, release func(), err error) { return c.s.fd.Hold(end) }

func (c *rawConn) Closed() error { return c.s.fd.ErrClosed() }

func (c *rawConn) Name() string {
	name := c.s.network.String()
	if c.s.laddr != nil {
		name = fmt.Sprintf("%s %v", name, c.s.laddr)
	}
	if c.s.raddr != nil {
		name = fmt.Sprintf("%s->%v", name, c.s.raddr)
	}
	return name
}
