package compat

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// sshServer has two commands: "cat", which returns its input, and "hang"; and it forwards
// connections.
type sshServer struct {
	config *ssh.ServerConfig
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	mu     sync.Mutex
	conns  []io.Closer
	all    sync.WaitGroup
}

func newSSHServer(t *testing.T, e ends) *sshServer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s := &sshServer{dial: e.dial, config: &ssh.ServerConfig{
		PasswordCallback: func(c ssh.ConnMetadata, pass []byte) (*ssh.Permissions, error) {
			if c.User() == "user" && string(pass) == "right" {
				return nil, nil
			}
			return nil, errors.New("wrong")
		},
	}}
	s.config.AddHostKey(signer)
	return s
}

func (s *sshServer) serve(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		s.all.Go(func() { s.connection(conn) })
	}
}

func (s *sshServer) connection(conn net.Conn) {
	defer conn.Close()
	c, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	defer c.Close()
	s.all.Go(func() { ssh.DiscardRequests(requests) })
	for n := range channels {
		s.all.Go(func() {
			switch n.ChannelType() {
			case "session":
				s.session(n)
			case "direct-tcpip":
				s.forward(n)
			default:
				n.Reject(ssh.UnknownChannelType, "")
			}
		})
	}
}

func (s *sshServer) session(n ssh.NewChannel) {
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	for r := range requests {
		if r.Type != "exec" {
			r.Reply(false, nil)
			continue
		}
		var command struct{ Line string }
		ssh.Unmarshal(r.Payload, &command)
		r.Reply(true, nil)
		s.all.Go(func() { ssh.DiscardRequests(requests) })
		if command.Line == "cat" {
			_, err = io.Copy(ch, ch)
			ch.CloseWrite()
			status := struct{ Status uint32 }{0}
			if err != nil {
				status.Status = 1
			}
			ch.SendRequest("exit-status", false, ssh.Marshal(&status))
			return
		}
		io.Copy(io.Discard, ch) // until the client goes
		return
	}
}

// forward connects a channel to an address; port 1 hangs.
func (s *sshServer) forward(n ssh.NewChannel) {
	var to struct {
		Host  string
		Port  uint32
		From  string
		FPort uint32
	}
	if err := ssh.Unmarshal(n.ExtraData(), &to); err != nil || to.Port == 1 {
		return
	}
	conn, err := s.dial(context.Background(), "tcp", net.JoinHostPort(to.Host, fmt.Sprint(to.Port)))
	if err != nil {
		n.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	defer conn.Close()
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	s.all.Go(func() { ssh.DiscardRequests(requests) })
	s.all.Go(func() {
		io.Copy(conn, ch)
		if c, ok := conn.(interface{ CloseWrite() error }); ok {
			c.CloseWrite()
		}
	})
	io.Copy(ch, conn)
	ch.CloseWrite()
}

func (s *sshServer) stop() {
	s.mu.Lock()
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

func TestSSH(t *testing.T) {
	each(t, func(t *testing.T, e ends) {
		ln, server := e.listen(t), newSSHServer(t, e)
		var accepting sync.WaitGroup
		accepting.Go(func() { server.serve(ln) })
		connect := func(password string) (net.Conn, *ssh.Client, error) {
			conn, err := e.dial(limited(t), "tcp", ln.Addr().String())
			if err != nil {
				return nil, nil, err
			}
			c, channels, requests, err := ssh.NewClientConn(conn, "server", &ssh.ClientConfig{
				User: "user", Auth: []ssh.AuthMethod{ssh.Password(password)},
				HostKeyCallback: ssh.InsecureIgnoreHostKey(),
			})
			if err != nil {
				conn.Close()
				return nil, nil, err
			}
			return conn, ssh.NewClient(c, channels, requests), nil
		}
		cat := func(c *ssh.Client, data []byte) error {
			s, err := c.NewSession()
			if err != nil {
				return err
			}
			defer s.Close()
			s.Stdin = bytes.NewReader(data)
			got, err := s.Output("cat")
			if err != nil {
				return err
			}
			return compare(got, data)
		}

		if _, _, err := connect("wrong"); err == nil {
			t.Error("a wrong password is right")
		}
		together(t, 4, func(i int) error {
			_, c, err := connect("right")
			if err != nil {
				return err
			}
			defer c.Close()
			together(t, 4, func(j int) error {
				for k, size := range sizes {
					if err := cat(c, pattern(size, i*100+j*10+k)); err != nil {
						return err
					}
				}
				return nil
			})
			return nil
		})

		conn, c, err := connect("right")
		if err != nil {
			t.Fatal(err)
		}
		if err := cat(c, pattern(large, 1)); err != nil {
			t.Errorf("a large message: %v", err)
		}
		// Forwarding: SSH inside SSH.
		inner, err := c.DialContext(limited(t), "tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		ic, channels, requests, err := ssh.NewClientConn(inner, "inner", &ssh.ClientConfig{
			User: "user", Auth: []ssh.AuthMethod{ssh.Password("right")}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		})
		if err != nil {
			t.Fatal(err)
		}
		in := ssh.NewClient(ic, channels, requests)
		if err := cat(in, pattern(1_000_000, 2)); err != nil {
			t.Errorf("through a tunnel: %v", err)
		}
		in.Close()
		if _, err := c.DialContext(soon(t), "tcp", "127.0.0.1:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a forwarded connection that nobody answers: %v", err)
		}
		// A deadline in the middle of a command ends the connection.
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start("hang"); err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if err := c.Wait(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the end of a connection whose deadline has passed: %v", err)
		}
		if err := s.Wait(); err == nil {
			t.Error("a command on a connection that has ended has succeeded")
		}
		c.Close()

		// A server that goes takes its clients' sessions along.
		_, c, err = connect("right")
		if err != nil {
			t.Fatal(err)
		}
		if s, err = c.NewSession(); err != nil {
			t.Fatal(err)
		}
		if err := s.Start("hang"); err != nil {
			t.Fatal(err)
		}
		ln.Close()
		accepting.Wait()
		server.stop()
		if err := s.Wait(); err == nil {
			t.Error("a command whose server has gone has succeeded")
		}
		c.Wait()
		c.Close()
	})
}
