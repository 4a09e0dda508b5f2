package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// udp has clients talk to an echo server over UDP. The server is a process of its own, whose use of the processor is what
// counts; the clients are on package net.
type udp struct {
	size  int
	batch bool
	on    *cpus
	c     *config
}

func (u *udp) describe() (name, counts, ops, details string) {
	how := "one system call or operation for each"
	if u.batch {
		how = "weir's with ReadBatch and WriteBatch"
	}
	return "udp", "senders", "trips", fmt.Sprintf("round trips of datagrams of %d bytes; CPU is that of the server alone, %s, %v; clients on package net", u.size, how, u.on)
}

func (u *udp) prepare(_ context.Context, c *config) error {
	u.c = c
	return checkMessage(u.size)
}

func (u *udp) cleanup() error { return nil }

func (u *udp) crew(s side, n int, seed uint64) (*crew, error) {
	kind := "udp"
	if u.batch {
		kind = "udp-batch"
	}
	srv, err := startServer(s.spec(kind, u.c), u.on)
	if err != nil {
		return nil, err
	}
	undo, err := u.on.beLoad()
	if err != nil {
		return nil, errors.Join(err, srv.stop())
	}
	var clients []net.Conn
	c := &crew{usage: srv.usage, stop: func() error { return errors.Join(closeAll(clients), srv.stop(), undo()) }}
	for i := range n {
		conn, err := net.Dial("udp", srv.address)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		clients = append(clients, conn)
		c.ops = append(c.ops, answered(conn, exchange(conn, u.size, seed+uint64(i))))
	}
	return c, nil
}

// answered is an exchange on a connection that may lose messages, which never happens here: it fails after 5 seconds.
func answered(conn net.Conn, op func() error) func() error {
	return func() error {
		if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		return op()
	}
}
