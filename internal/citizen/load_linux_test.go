package citizen

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/weirgo/weir/internal/sys/systest"
)

// each runs f in n goroutines, each with a connection, until the run is over; the first failure
// before that is the run's.
func (p *peer) each(on string, n int, f func(c *net.TCPConn) error) error {
	for range n {
		c, err := p.dial(on)
		if err != nil {
			return err
		}
		p.wg.Go(func() {
			if err := f(c); err != nil && !p.over.Load() {
				p.note("load", nil, err)
			}
		})
	}
	return nil
}

// both is one load after the other.
func both(a, b func(*peer) error) func(*peer) error {
	return func(p *peer) error {
		if err := a(p); err != nil {
			return err
		}
		return b(p)
	}
}

// begins has the server start what it does all the time.
func begins(p *peer) error {
	c, err := p.dial(onSide)
	if err != nil {
		return err
	}
	_, err = ask(c, reqBegin)
	return err
}

// echoLoad is connections whose peers send the next request when they have the answer, beside
// others that say nothing.
func echoLoad(on string, what byte) func(*peer) error {
	return func(p *peer) error {
		for range 32 {
			if _, err := p.dial(on); err != nil {
				return err
			}
		}
		return p.each(on, 8, func(c *net.TCPConn) error {
			for !p.over.Load() {
				if _, err := ask(c, what); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// repeatLoad is requests of which each connection has one going, with a moment between two.
func repeatLoad(what byte, n int) func(*peer) error {
	return func(p *peer) error {
		return p.each(onSide, n, func(c *net.TCPConn) error {
			for !p.over.Load() {
				if d, err := ask(c, what); err != nil {
					return err
				} else {
					p.note("the load itself", []time.Duration{d}, nil)
				}
				time.Sleep(5 * time.Millisecond)
			}
			return nil
		})
	}
}

// computeLoad is so many requests for each P that have the server compute as long as the run lasts.
// When it returns each P has one: what ran there before that might wake Go's monitor.
func computeLoad(forEach int) func(*peer) error {
	return func(p *peer) error {
		begun := make(chan struct{}, forEach*p.procs)
		err := p.last(reqCompute, forEach*p.procs, func(c *net.TCPConn, m []byte) error {
			if _, err := io.ReadFull(c, m); err != nil {
				return err
			}
			begun <- struct{}{}
			return nil
		})
		for i := 0; i < p.procs && err == nil; i++ {
			select {
			case <-begun:
			case <-time.After(patience):
				err = fmt.Errorf("of %d requests that compute only %d have begun", p.procs, i)
			}
		}
		return err
	}
}

// spinLoad is goroutines that are always ready, two for each P.
func spinLoad(p *peer) error {
	return p.last(reqSpin, 2*p.procs, func(*net.TCPConn, []byte) error { return nil })
}

// last sends n requests that last as long as the run, to a server that has been idle for a moment.
func (p *peer) last(what byte, n int, begun func(c *net.TCPConn, m []byte) error) error {
	var conns []*net.TCPConn
	for range n {
		c, err := p.dial(onSide)
		if err != nil {
			return err
		}
		if _, err := ask(c, reqEcho); err != nil {
			return err
		}
		conns = append(conns, c)
	}
	time.Sleep(idle)
	for _, c := range conns {
		p.wg.Go(func() {
			var m [messageSize]byte
			message(m[:], what, int(p.window/time.Millisecond))
			_, err := c.Write(m[:])
			if err == nil {
				err = begun(c, m[:])
			}
			if err == nil {
				_, err = io.ReadFull(c, m[:])
			}
			if err != nil && !p.over.Load() {
				p.note("load", nil, err)
			}
		})
	}
	return nil
}

// httpLoad is clients that ask a server of net/http for a page.
func httpLoad(p *peer) error {
	return p.each(onHTTP, 8, func(c *net.TCPConn) error {
		in := bufio.NewReader(c)
		for !p.over.Load() {
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: weir\r\n\r\n"); err != nil {
				return err
			}
			r, err := http.ReadResponse(in, nil)
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return err
			}
			r.Body.Close()
		}
		return nil
	})
}

// acceptLoad is clients that connect, ask once, and leave.
func acceptLoad(p *peer) error {
	for range 4 {
		p.wg.Go(func() {
			for !p.over.Load() {
				c, err := dial(p.Addresses[onSide])
				if err == nil {
					_, err = ask(c, reqEcho)
					c.Close()
				}
				if err != nil && !p.over.Load() {
					p.note("load", nil, err)
					return
				}
			}
		})
	}
	return nil
}

// faultLoad has the server read into pages that are missing, and gives each page after a while.
func faultLoad(p *peer) error {
	f, err := receiveFile(p.control)
	if err != nil {
		return fmt.Errorf("receiving the descriptor of page faults: %w", err)
	}
	p.own(f)
	p.wg.Go(func() {
		if err := systest.Resolve(f, 50*time.Millisecond); err != nil {
			p.note("load", nil, err)
		}
	})
	return p.each(onSide, 1, func(c *net.TCPConn) error {
		var m [messageSize]byte
		for i := 0; !p.over.Load(); i++ {
			message(m[:], reqFault, i%2*4) // every other time the message is there before the server reads
			if _, err := c.Write(m[:]); err != nil {
				return err
			}
			time.Sleep(2 * time.Millisecond)
			if _, err := exchange(c, m[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

// pump writes to c without end, and reads what comes.
func (p *peer) pump(on string, first byte) error {
	return p.each(on, 1, func(c *net.TCPConn) error {
		if err := c.SetReadBuffer(8 << 20); err != nil { // so that the server seldom waits for room
			return err
		}
		p.wg.Go(func() {
			buf := make([]byte, 4<<20)
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
			}
		})
		var m [messageSize]byte
		if first != 0 {
			message(m[:], first, 0)
			if _, err := c.Write(m[:]); err != nil {
				return err
			}
			if first == laneFile { // the server only sends
				return nil
			}
		}
		chunk := make([]byte, 128<<10)
		for at := 0; at < len(chunk); at += messageSize {
			message(chunk[at:at+messageSize], reqEcho, 0)
		}
		for !p.over.Load() {
			if _, err := c.Write(chunk); err != nil {
				return err
			}
		}
		return nil
	})
}

// greedyLoad is one peer that always has sent more than the server has answered.
func greedyLoad(p *peer) error { return p.pump(onSide, 0) }

// laneLoad is one connection whose coroutine copies without end.
func laneLoad(what byte) func(*peer) error {
	return func(p *peer) error { return p.pump(onLane, what) }
}

// datagramLoad is a flood of datagrams that nothing answers.
func datagramLoad(p *peer) error {
	for range 2 {
		c, err := net.Dial("udp", p.Addresses[onUDP])
		if err != nil {
			return err
		}
		p.own(c)
		p.wg.Go(func() {
			m := make([]byte, messageSize-1)
			for !p.over.Load() {
				c.Write(m) // ENOBUFS does not matter
			}
		})
	}
	return nil
}
