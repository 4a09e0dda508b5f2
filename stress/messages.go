package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The sizes of messages: there must be room for a number, and for a whole message in the kernel's
// buffers.
const minMessage, maxMessage = 8, 64 << 10

func checkMessage(size int) error {
	if size < minMessage || size > maxMessage {
		return fmt.Errorf("--size is %d: want %d to %d bytes", size, minMessage, maxMessage)
	}
	return nil
}

// exchange is a worker's operation: it sends a message, waits for the whole of it to come back, and
// compares.
func exchange(conn io.ReadWriter, size int, seed uint64) func() error {
	sent, got := make([]byte, size), make([]byte, size)
	for i := range sent {
		sent[i] = byte(i)
	}
	number := seed << 32
	return func() error {
		number++
		binary.LittleEndian.PutUint64(sent, number)
		if _, err := conn.Write(sent); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, got); err != nil {
			return err
		}
		if !bytes.Equal(sent, got) {
			return fmt.Errorf("message %#x came back changed: %s", number, difference(sent, got))
		}
		return nil
	}
}

// difference says where two slices of equal length first differ.
func difference(want, got []byte) string {
	for i := range want {
		if want[i] != got[i] {
			return fmt.Sprintf("byte %d is %#x instead of %#x", i, got[i], want[i])
		}
	}
	return "nowhere"
}

// closeAll closes what is not nil.
func closeAll[C io.Closer](closers []C) error {
	var errs error
	for _, c := range closers {
		errs = errors.Join(errs, c.Close())
	}
	return errs
}

// pingpong has pairs of goroutines talk over unix sockets. One of each pair is a worker, the other
// sends back.
type pingpong struct{ size int }

func (p *pingpong) describe() (name, counts, ops, details string) {
	return "pingpong", "pairs", "trips", fmt.Sprintf("round trips of %d bytes between the two ends of a unix stream "+
		"socket, both goroutines of this process", p.size)
}

func (p *pingpong) prepare(context.Context, *config) error { return checkMessage(p.size) }

func (p *pingpong) cleanup() error { return nil }

func (p *pingpong) crew(s side, n int, seed uint64) (*crew, error) {
	var pings []net.Conn
	var pongs sync.WaitGroup
	c := &crew{stop: func() error {
		err := closeAll(pings)
		pongs.Wait()
		return err
	}}
	for i := range n {
		ping, pong, err := socketPair(s)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		pings = append(pings, ping)
		pongs.Go(func() { sendBack(pong, p.size) })
		c.ops = append(c.ops, exchange(ping, p.size, seed+uint64(i)))
	}
	return c, nil
}

// socketPair returns both ends of a unix socket.
func socketPair(s side) (a, b net.Conn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	a, err = s.fileConn(os.NewFile(uintptr(fds[0]), "socketpair"))
	b, err2 := s.fileConn(os.NewFile(uintptr(fds[1]), "socketpair"))
	if err = errors.Join(err, err2); err != nil {
		for _, c := range []net.Conn{a, b} {
			if c != nil {
				c.Close()
			}
		}
		return nil, nil, err
	}
	return a, b, nil
}

// sendBack returns messages until the peer leaves.
func sendBack(conn net.Conn, size int) {
	defer conn.Close()
	buf := make([]byte, size)
	for {
		if _, err := io.ReadFull(conn, buf); err != nil {
			return
		}
		if _, err := conn.Write(buf); err != nil {
			return
		}
	}
}

// echo has clients talk to an echo server over TCP.
type echo struct {
	size       int
	netClients bool
}

func (e *echo) describe() (name, counts, ops, details string) {
	clients := "clients and server both on the side measured"
	if e.netClients {
		clients = "the server on the side measured, clients on package net"
	}
	return "echo", "conns", "trips", fmt.Sprintf("round trips of %d bytes over TCP on the loopback interface, %s",
		e.size, clients)
}

func (e *echo) prepare(context.Context, *config) error { return checkMessage(e.size) }

func (e *echo) cleanup() error { return nil }

func (e *echo) crew(s side, n int, seed uint64) (*crew, error) {
	ln, err := s.listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var server sync.WaitGroup
	server.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			server.Go(func() { serve(conn) })
		}
	})
	var clients []net.Conn
	c := &crew{stop: func() error {
		err := errors.Join(closeAll(clients), ln.Close())
		server.Wait()
		return err
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	from := s
	if e.netClients {
		from = side{}
	}
	for i := range n {
		conn, err := from.dial(ctx, "tcp", ln.Addr().String())
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		clients = append(clients, conn)
		c.ops = append(c.ops, exchange(conn, e.size, seed+uint64(i)))
	}
	return c, nil
}

// serve is the echo server of examples/echo.
func serve(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}
