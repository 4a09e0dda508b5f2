//go:build !weir_portable

package aio

import (
	"github.com/weirgo/weir/internal/fd"

	aiort "github.com/weirgo/weir/runtime"
)

// Runtime returns the runtime of the IO, for additional loops with its options (Runtime.NewLoop).
func (io *IO) Runtime() *aiort.Runtime { return io.running() }

func init() { fd.MakeView = makeView }

// makeView is fd.MakeView. It returns a connection, listener or file like x, of the same type and
// on the same descriptor, whose calls wait by w.
func makeView(w fd.Waiter, x any) (view any, of fd.View) {
	switch x := x.(type) {
	case *TCPConn:
		if x != nil {
			v := &TCPConn{}
			return ifOpen(v, v.view(w, &x.socket))
		}
	case *UDPConn:
		if x != nil {
			v := &UDPConn{}
			return ifOpen(v, v.view(w, &x.socket))
		}
	case *IPConn:
		if x != nil {
			v := &IPConn{}
			return ifOpen(v, v.view(w, &x.socket))
		}
	case *UnixConn:
		if x != nil {
			v := &UnixConn{}
			return ifOpen(v, v.view(w, &x.socket))
		}
	case *TCPListener:
		if x != nil {
			v := &TCPListener{keepAlive: x.keepAlive, keepAliveConfig: x.keepAliveConfig}
			return ifOpen(v, v.view(w, &x.socket))
		}
	case *UnixListener:
		if x != nil {
			v := &UnixListener{}
			return ifOpen(v, v.view(w, &x.socket))
		}
	case *File:
		if x != nil {
			v := &File{name: x.name, traits: x.traits}
			return ifOpen(v, v.fd.InitView(w, &x.fd))
		}
	}
	return nil, nil
}

// ifOpen returns a view. For a view of a zero value, which cannot be, it returns nil.
func ifOpen(v any, p fd.View) (any, fd.View) {
	if p == nil {
		return nil, nil
	}
	return v, p
}

func (s *socket) view(w fd.Waiter, of *socket) fd.View {
	s.network, s.laddr, s.raddr = of.network, of.laddr, of.raddr
	s.family, s.sotype, s.connected = of.family, of.sotype, of.connected
	return s.fd.InitView(w, &of.fd)
}
