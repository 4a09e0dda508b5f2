// Package faulty is an echo server that makes mistakes on purpose, so that it can be shown that a
// check finds them.
package faulty

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Fault is a mistake that a server makes.
type Fault string

// The mistakes.
const (
	None      Fault = ""
	Lost      Fault = "lost"      // no answer
	Doubled   Fault = "doubled"   // two answers
	Changed   Fault = "changed"   // one bit of the answer is another
	Late      Fault = "late"      // an answer after Options.Delay
	Reordered Fault = "reordered" // an answer after that to the next message
	Foreign   Fault = "foreign"   // the answer goes to another connection
	Silent    Fault = "silent"    // no answer any more
	Closed    Fault = "closed"    // the connection is closed in place of an answer
)

// Faults are all but None.
var Faults = []Fault{Lost, Doubled, Changed, Late, Reordered, Foreign, Silent, Closed}

// Parse returns the fault of that name.
func Parse(name string) (Fault, error) {
	var names []string
	for _, f := range Faults {
		if string(f) == name {
			return f, nil
		}
		names = append(names, string(f))
	}
	if name == "" || name == "none" {
		return None, nil
	}
	return None, fmt.Errorf("no fault is called %q: want none, %s", name, strings.Join(names, ", "))
}

// Options say what a server does.
type Options struct {
	Size  int           // bytes of a message; of datagrams the most
	Fault Fault         // which mistake
	After int           // so many messages of a connection are answered before it; then, again and again
	Delay time.Duration // of Late; 0: 100 ms
}

// Server is an echo server.
type Server struct {
	o    Options
	ln   net.Listener
	pc   net.PacketConn
	all  sync.WaitGroup
	mu   sync.Mutex
	live map[net.Conn]bool
}

// Serve begins to answer the connections of ln, which it owns.
func Serve(ln net.Listener, o Options) *Server {
	s := newServer(o)
	s.ln = ln
	s.all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.live[c] = true
			s.mu.Unlock()
			s.all.Go(func() {
				s.conn(c)
				s.mu.Lock()
				delete(s.live, c)
				s.mu.Unlock()
				c.Close()
			})
		}
	})
	return s
}

// ServePacket begins to answer the datagrams of pc, which it owns.
func ServePacket(pc net.PacketConn, o Options) *Server {
	s := newServer(o)
	s.pc = pc
	s.all.Go(s.packets)
	return s
}

func newServer(o Options) *Server {
	if o.After < 1 {
		o.After = 1
	}
	if o.Delay <= 0 {
		o.Delay = 100 * time.Millisecond
	}
	return &Server{o: o, live: map[net.Conn]bool{}}
}

// Addr is where the server is.
func (s *Server) Addr() net.Addr {
	if s.pc != nil {
		return s.pc.LocalAddr()
	}
	return s.ln.Addr()
}

// Close ends the server and its connections, and waits for them.
func (s *Server) Close() error {
	var err error
	if s.ln != nil {
		err = s.ln.Close()
	}
	if s.pc != nil {
		err = errors.Join(err, s.pc.Close())
	}
	s.mu.Lock()
	for c := range s.live {
		c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
	return err
}

// conn answers one connection.
func (s *Server) conn(c net.Conn) {
	buf, held := make([]byte, s.o.Size), []byte(nil)
	for n := 1; ; n++ {
		if _, err := io.ReadFull(c, buf); err != nil {
			return
		}
		out := [][]byte{buf}
		if held != nil {
			out, held = append(out, held), nil
		} else if n%(s.o.After+1) == 0 {
			switch s.o.Fault {
			case Lost:
				out = nil
			case Doubled:
				out = [][]byte{buf, buf}
			case Changed:
				buf[len(buf)-1] ^= 0x10
			case Late:
				time.Sleep(s.o.Delay)
			case Reordered:
				out, held = nil, append([]byte(nil), buf...)
			case Foreign:
				s.other(c).Write(buf)
				out = nil
			case Silent:
				io.Copy(io.Discard, c)
				return
			case Closed:
				return
			}
		}
		for _, p := range out {
			if _, err := c.Write(p); err != nil {
				return
			}
		}
	}
}

// other is a connection that is not c, if there is one.
func (s *Server) other(c net.Conn) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range s.live {
		if o != c {
			return o
		}
	}
	return c
}

// packets answers datagrams. Senders are not told apart: a fault comes after so many of all.
func (s *Server) packets() {
	buf := make([]byte, max(s.o.Size, 64<<10))
	var held []byte
	var heldFor net.Addr
	for n := 1; ; n++ {
		k, from, err := s.pc.ReadFrom(buf)
		if err != nil {
			return
		}
		p := buf[:k]
		if held != nil {
			s.pc.WriteTo(p, from)
			s.pc.WriteTo(held, heldFor)
			held = nil
			continue
		}
		if n%(s.o.After+1) == 0 {
			switch s.o.Fault {
			case Lost, Foreign, Closed:
				continue
			case Doubled:
				s.pc.WriteTo(p, from)
			case Changed:
				p[len(p)-1] ^= 0x10
			case Late:
				time.Sleep(s.o.Delay)
			case Reordered:
				held, heldFor = append([]byte(nil), p...), from
				continue
			case Silent:
				for {
					if _, _, err := s.pc.ReadFrom(buf); err != nil {
						return
					}
				}
			}
		}
		s.pc.WriteTo(p, from)
	}
}
