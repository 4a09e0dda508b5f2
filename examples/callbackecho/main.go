//go:build linux

// Command callbackecho is an echo server without goroutines: one loop, one thread, and callbacks
// that the loop calls when an operation is over.
//
//	go run ./examples/callbackecho [ADDRESS]
//
// It serves until it is interrupted. Port 0 means any free one; the first line of output says
// which.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/weirgo/weir/backends"
	aiort "github.com/weirgo/weir/runtime"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	address := "127.0.0.1:7007"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	if err := run(ctx, address, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "callbackecho:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, which is not an error. The goroutine that calls Run owns the loop from
// then on, and its thread: so the loop gets a goroutine of its own here.
func run(ctx context.Context, address string, stdout io.Writer) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer ln.Close()
	file, err := ln.(*net.TCPListener).File() // a descriptor that is ours
	if err != nil {
		return err
	}
	defer file.Close()
	fmt.Fprintln(stdout, "echo on", ln.Addr())

	ended := make(chan error)
	go func() { ended <- serve(ctx, int(file.Fd())) }()
	return <-ended
}

// serve runs the loop on the calling goroutine.
func serve(ctx context.Context, listener int) (err error) {
	loop, err := aiort.NewLoop(aiort.Options{})
	if err != nil {
		return err
	}
	s := &server{loop: loop}
	s.accept.Op = backends.Op{Code: backends.OpAccept, FD: listener, Flags: syscall.SOCK_CLOEXEC, Multi: true}
	s.accept.Callback = s.accepted
	if err := loop.Submit(&s.accept); err != nil {
		return errors.Join(err, loop.Close())
	}
	defer context.AfterFunc(ctx, loop.Stop)() // Stop may be called by any goroutine
	err = loop.Run(aiort.UntilDone)
	return errors.Join(err, s.err, loop.Close()) // Close cancels what is in flight, and calls its callbacks
}

// A server accepts connections. All its fields are the loop's thread's.
type server struct {
	loop   *aiort.Loop
	accept aiort.Completion
	err    error
}

// accepted is called for each connection: the accept goes on.
func (s *server) accepted(c *aiort.Completion) aiort.Action {
	switch err := c.Err(); {
	case err == nil:
		k := &conn{loop: s.loop, fd: c.N()}
		k.receive.Callback, k.send.Callback, k.close.Callback = k.received, k.sent, k.closed
		k.submit(&k.receive, backends.Op{Code: backends.OpRecv, FD: k.fd, Buf: k.buf[:]})
	case !errors.Is(err, aiort.ErrCanceled) && !errors.Is(err, net.ErrClosed):
		s.err = err
	}
	if c.More() {
		return aiort.Rearm
	}
	return aiort.Disarm
}

// A conn is one connection: it receives, then sends what it has received, and so on. One of its
// operations is in flight at a time.
type conn struct {
	loop                 *aiort.Loop
	fd                   int
	receive, send, close aiort.Completion
	buf                  [4096]byte
	rest                 []byte // of what is to be sent
}

// submit has the loop begin op. If the loop takes nothing more the connection ends.
func (k *conn) submit(c *aiort.Completion, op backends.Op) {
	c.Op = op
	if err := k.loop.Submit(c); err != nil {
		syscall.Close(k.fd)
	}
}

func (k *conn) received(c *aiort.Completion) aiort.Action {
	if c.Err() != nil || c.N() == 0 { // 0: the peer has sent all
		k.submit(&k.close, backends.Op{Code: backends.OpClose, FD: k.fd})
		return aiort.Disarm
	}
	k.rest = k.buf[:c.N()]
	k.submit(&k.send, backends.Op{Code: backends.OpSend, FD: k.fd, Buf: k.rest, Off: backends.Stream})
	return aiort.Disarm
}

func (k *conn) sent(c *aiort.Completion) aiort.Action {
	if c.Err() != nil {
		k.submit(&k.close, backends.Op{Code: backends.OpClose, FD: k.fd})
		return aiort.Disarm
	}
	if k.rest = k.rest[c.N():]; len(k.rest) > 0 { // the socket had room for a part
		c.Op.Buf = k.rest
		return aiort.Rearm
	}
	k.submit(&k.receive, backends.Op{Code: backends.OpRecv, FD: k.fd, Buf: k.buf[:]})
	return aiort.Disarm
}

func (k *conn) closed(*aiort.Completion) aiort.Action { return aiort.Disarm }
