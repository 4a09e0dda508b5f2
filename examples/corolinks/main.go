//go:build linux

// Command corolinks has a server and a client, two coroutines on one thread, exchange a few words
// over TCP. It speaks to the kernel in lists of operations: those of a list leave in one system
// call, and a linked one starts when the one before it has succeeded. Sends that belong together
// are one list, and so is what says goodbye and closes.
//
//	go run ./examples/corolinks
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/coro"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "corolinks:", err)
		os.Exit(1)
	}
}

func run(stdout io.Writer) error {
	weir, err := aio.New(aio.Options{})
	if err != nil {
		return err
	}
	defer weir.Close()
	s, err := coro.New(coro.Options{IO: weir, Name: "corolinks"})
	if err != nil {
		return err
	}
	defer s.Close()
	both := coro.Spawn(s, func(t *coro.Task) (struct{}, error) {
		addresses := coro.NewQueue[net.Addr](1) // where the server says where it is
		g := coro.NewGroup(t)
		g.Go(func(t *coro.Task) error { return server(t, addresses, stdout) }, coro.Name("server"))
		g.Go(func(t *coro.Task) error { return client(t, addresses, stdout) }, coro.Name("client"))
		return struct{}{}, g.Wait()
	})
	_, err = both.Wait(context.Background())
	return err
}

const stream = syscall.SOCK_STREAM | syscall.SOCK_CLOEXEC

func server(t *coro.Task, addresses *coro.Queue[net.Addr], stdout io.Writer) error {
	socket := op.Socket(syscall.AF_INET, stream, 0)
	bind := op.Bind(-1, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}).From(socket)
	if err := t.Do(socket.Link(), bind.Link(), op.Listen(-1, 1).From(socket)); err != nil {
		return err
	}
	listener := socket.N
	address, err := addressOf(listener)
	if err != nil {
		return err
	}
	if err := addresses.Send(t, address); err != nil {
		return err
	}
	accept := op.Accept(listener, syscall.SOCK_CLOEXEC)
	if err := t.Do(accept); err != nil {
		return err
	}
	peer := accept.N
	fmt.Fprintln(stdout, "server: somebody is here")

	buf := make([]byte, 1024)
	reply := op.Recv(peer, buf, 0)
	err = t.Do(
		send(peer, "hey ").Link(),
		send(peer, "I'm doing several operations at once, ").Link(),
		send(peer, "how is that?").Link(),
		reply,
	)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "server: the client says %q\n", buf[:reply.N])
	return t.Do(send(peer, "ok, bye").Link(), op.CloseSocket(peer).LinkAlways(), op.CloseSocket(listener))
}

func client(t *coro.Task, addresses *coro.Queue[net.Addr], stdout io.Writer) error {
	address, err := addresses.Recv(t)
	if err != nil {
		return err
	}
	socket := op.Socket(syscall.AF_INET, stream, 0)
	if err := t.Do(socket.Link(), op.Connect(-1, address).From(socket)); err != nil {
		return err
	}
	fd := socket.N
	said, buf := "", make([]byte, 1024)
	for recv := op.Recv(fd, buf, 0); ; {
		if err := t.Do(recv); err != nil {
			return err
		}
		if recv.N == 0 {
			break
		}
		if said += string(buf[:recv.N]); strings.HasSuffix(said, "?") {
			fmt.Fprintf(stdout, "client: the server says %q\n", said)
			said = ""
			if err := t.Do(send(fd, "quite something")); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(stdout, "client: the server says %q\n", said)
	return t.Do(op.CloseSocket(fd))
}

// send is an operation that sends all of text or fails.
func send(fd int, text string) *op.Op {
	return op.Send(fd, []byte(text), syscall.MSG_WAITALL)
}

// addressOf asks for a socket's address, which does not wait for anything.
func addressOf(fd int) (net.Addr, error) {
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	a := sa.(*syscall.SockaddrInet4)
	return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}, nil
}
