package main

import (
	"context"
	"io"
	"net"
	"os"

	"github.com/weirgo/weir/aio"
)

// side is one of the two implementations that are compared: weir, or with nil packages net and os.
type side struct{ weir *aio.IO }

func (s side) name() string {
	if s.weir != nil {
		return "weir"
	}
	return "std"
}

func (s side) listen(network, address string) (net.Listener, error) {
	if s.weir != nil {
		return s.weir.Listen(network, address)
	}
	return net.Listen(network, address)
}

func (s side) listenPacket(network, address string) (net.PacketConn, error) {
	if s.weir != nil {
		return s.weir.ListenPacket(network, address)
	}
	return net.ListenPacket(network, address)
}

func (s side) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.weir != nil {
		return s.weir.DialContext(ctx, network, address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// fileConn makes a connection of f and closes f.
func (s side) fileConn(f *os.File) (net.Conn, error) {
	defer f.Close()
	if s.weir != nil {
		return s.weir.FileConn(f)
	}
	return net.FileConn(f)
}

// randomAccess is what a file is used for here.
type randomAccess interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

func (s side) openFile(name string, flag int) (randomAccess, error) {
	if s.weir != nil {
		return s.weir.OpenFile(name, flag, 0)
	}
	return os.OpenFile(name, flag, 0)
}
