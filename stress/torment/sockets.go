package torment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/weirgo/weir/stress/load"
	"github.com/weirgo/weir/stress/target"
)

// network is one of those that streams have.
func network(i int) string { return []string{"tcp", "unix"}[i%2] }

// served runs body with the address of a server of each network.
func (w *World) served(body func(address map[string]string) error) error {
	address := map[string]string{}
	var stops []func() error
	var err error
	for i := range 2 {
		var stop func() error
		if address[network(i)], stop, err = w.serve(network(i), echo); err != nil {
			break
		}
		stops = append(stops, stop)
	}
	if err == nil {
		err = body(address)
	}
	for _, stop := range stops {
		err = errors.Join(err, stop())
	}
	return err
}

func churn(ctx context.Context, w *World) error {
	l := load.NewLedger(load.LedgerOptions{Ordered: true})
	return w.served(func(address map[string]string) error {
		return w.each(ctx, 8, func(ctx context.Context, r *rand.Rand, i int) error {
			// a port that has been used rests for a minute: the most that a machine has are used up in no time
			if err := w.sleep(context.WithoutCancel(ctx), time.Duration(i%2*r.IntN(2000))*time.Microsecond); err != nil {
				return err
			}
			c, err := w.dial(ctx, network(i), address[network(i)])
			if err != nil {
				if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAGAIN) {
					return nil
				}
				return err
			}
			defer c.Close()
			if t, ok := c.(interface{ SetLinger(int) error }); ok && r.IntN(8) > 0 {
				t.SetLinger(0) // its port does not rest
			}
			c.SetDeadline(time.Now().Add(w.Patience))
			s := l.Stream()
			buf := make([]byte, load.Header+r.IntN(2000))
			for range 1 + r.IntN(4) {
				if err := exchange(c, s, buf, make([]byte, len(buf))); err != nil {
					return err
				}
			}
			return s.Close()
		})
	})
}

// under runs a target's workers until ctx ends, and reports what was wrong.
func (w *World) under(ctx context.Context, n int, lane load.Lane, l *load.Ledger, t target.Starter) error {
	r, err := load.Run(ctx, load.Config{Workers: n, Start: t.Start, Lane: lane, ErrorLimit: 1, Patience: ending(w.Patience),
		Seed: w.Seed, Interval: time.Minute, Phases: []load.Phase{{Name: "torment", Time: 1000 * time.Hour}}})
	if r != nil && len(r.Phases) > 0 {
		w.ops.Add(r.Phases[0].Ops)
	}
	if ctx.Err() != nil && r == nil {
		err = nil // it ended before the load began
	}
	return errors.Join(err, l.Err())
}

func messages(ctx context.Context, w *World) error {
	return w.served(func(address map[string]string) error {
		var all sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			l := load.NewLedger(load.LedgerOptions{Ordered: true})
			m := &target.Messages{Dial: w.dial, Network: network(i), Address: address[network(i)], Size: 64, Pipeline: 1 + 7*(i/2),
				Timeout: w.Patience, Ledger: l}
			if i == 1 {
				m.Size = 6000
			}
			all.Go(func() { errs[i] = w.under(ctx, 8, nil, l, m) })
		}
		all.Wait()
		return errors.Join(errs...)
	})
}

func coroutines(ctx context.Context, w *World) error {
	if w.IO == nil {
		return &Skip{"package net has no coroutines"}
	}
	lane, err := target.NewCoroutines(w.IO)
	if err != nil {
		return err
	}
	l := load.NewLedger(load.LedgerOptions{Ordered: true})
	err = w.served(func(address map[string]string) error {
		return w.under(ctx, 16, lane, l, &target.Messages{Dial: lane.Dial, Network: "tcp", Address: address["tcp"], Size: 300,
			Pipeline: 3, Timeout: w.Patience, Ledger: l})
	})
	return errors.Join(err, lane.Close())
}

func datagrams(ctx context.Context, w *World) error {
	listen := net.ListenPacket
	if w.IO != nil {
		listen = w.IO.ListenPacket
	}
	pc, err := listen("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var server sync.WaitGroup
	server.Go(func() {
		for buf := make([]byte, 9000); ; {
			n, from, err := pc.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				pc.WriteTo(buf[:n], from)
			}
		}
	})
	l := load.NewLedger(load.LedgerOptions{Lossy: true})
	err = w.under(ctx, 8, nil, l, &target.Packets{Dial: w.dial, Network: "udp", Address: pc.LocalAddr().String(), Size: 1200,
		Timeout: w.Patience, Ledger: l})
	return errors.Join(err, pc.Close(), wait(&server, ending(w.Patience), "a server of datagrams"))
}

// cancelstorm has reads that end before there is anything to read, and checks that no byte is lost
// by that; and sleeps and dials that are given up.
func cancelstorm(ctx context.Context, w *World) error {
	l := load.NewLedger(load.LedgerOptions{Ordered: true})
	slow := func(c net.Conn) {
		r := w.random()
		buf := make([]byte, 100)
		for {
			n, err := c.Read(buf[:1+r.IntN(100)])
			if err != nil {
				return
			}
			if r.IntN(4) == 0 {
				time.Sleep(time.Duration(r.IntN(1500)) * time.Microsecond)
			}
			if _, err := c.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	address, stop, err := w.serve("tcp", slow)
	if err != nil {
		return err
	}
	err = w.each(ctx, 8, func(ctx context.Context, r *rand.Rand, i int) error {
		switch r.IntN(8) {
		case 0:
			short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(500))*time.Microsecond)
			defer cancel()
			if err := w.sleep(short, time.Hour); err == nil {
				return errors.New("a sleep of an hour that was given up ended without an error")
			}
			return nil
		case 1:
			short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(300))*time.Microsecond)
			defer cancel()
			var c net.Conn
			var err error
			if w.IO != nil {
				c, err = w.IO.DialContext(short, "tcp", address)
			} else {
				c, err = new(net.Dialer).DialContext(short, "tcp", address)
			}
			if err == nil {
				if t, ok := c.(interface{ SetLinger(int) error }); ok {
					t.SetLinger(0)
				}
				return c.Close()
			}
			// its deadline may have ended it just before the context did
			if e, ok := err.(net.Error); short.Err() == nil && !(ok && e.Timeout()) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
				return fmt.Errorf("a dial that nothing gave up: %w", err)
			}
			return nil
		}
		c, err := w.dial(ctx, "tcp", address)
		if err != nil {
			if errors.Is(err, syscall.EADDRNOTAVAIL) {
				return nil
			}
			return err
		}
		defer c.Close()
		if t, ok := c.(interface{ SetLinger(int) error }); ok {
			t.SetLinger(0)
		}
		return interrupted(c, l.Stream(), r, w.Patience)
	})
	return errors.Join(err, stop())
}

// interrupted exchanges messages on a connection whose reads have deadlines that are too short.
func interrupted(c net.Conn, s *load.Stream, r *rand.Rand, patience time.Duration) error {
	buf := make([]byte, load.Header+r.IntN(300))
	for range 20 {
		s.Stamp(buf, true)
		c.SetWriteDeadline(time.Now().Add(patience))
		if _, err := c.Write(buf); err != nil {
			return err
		}
		got, give := make([]byte, len(buf)), time.Now().Add(patience)
		for at := 0; at < len(got); {
			if r.IntN(3) == 0 {
				d := time.Duration(r.IntN(400)) * time.Microsecond
				timer := time.AfterFunc(d/2, func() { c.SetReadDeadline(time.Unix(1, 0)) })
				c.SetReadDeadline(time.Now().Add(d))
				n, err := c.Read(got[at:])
				timer.Stop()
				if at += n; err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					return err
				}
				if time.Now().After(give) {
					return &load.Fault{What: load.Lost, Stream: s.ID(), Detail: "reads with deadlines get nothing"}
				}
				continue
			}
			// a timer that came too late may end this read, too: then it is tried again
			c.SetReadDeadline(give)
			n, err := c.Read(got[at:])
			if at += n; err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || time.Now().After(give)) {
				return err
			}
		}
		if _, err := s.Answer(got); err != nil {
			return err
		}
	}
	return s.Close()
}

// closestorm closes connections on which others wait: each must be told.
func closestorm(ctx context.Context, w *World) error {
	silent := func(c net.Conn) { // it neither reads nor writes until its peer is gone
		c.SetReadDeadline(time.Now().Add(2 * w.Patience))
		buf := make([]byte, 1)
		c.Read(buf)
		io.Copy(io.Discard, c)
	}
	return w.closes(ctx, silent)
}

func (w *World) closes(ctx context.Context, serve func(net.Conn)) error {
	address, stop, err := w.serve("unix", serve)
	if err != nil {
		return err
	}
	err = w.each(ctx, 4, func(ctx context.Context, r *rand.Rand, _ int) error {
		c, err := w.dial(ctx, "unix", address)
		if err != nil {
			if errors.Is(err, syscall.EAGAIN) { // the listener's queue is full
				return nil
			}
			return err
		}
		var all sync.WaitGroup
		errs := make([]error, 3)
		for i := range errs {
			all.Go(func() {
				p := make([]byte, 64<<10)
				for errs[i] == nil {
					if i == 2 {
						_, errs[i] = c.Write(p)
					} else {
						_, errs[i] = c.Read(p)
					}
				}
			})
		}
		time.Sleep(time.Duration(r.IntN(1000)) * time.Microsecond)
		closed := c.Close()
		if err := wait(&all, w.Patience, "calls on a connection that is closed"); err != nil {
			return err
		}
		for _, err := range errs {
			if !errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("a call on a connection that was closed: %w", err)
			}
		}
		return closed
	})
	return errors.Join(err, stop())
}

// resets has peers that reset, which must end in an error, and that close their half, after which
// all they sent must be there.
func resets(ctx context.Context, w *World) error {
	address, stop, err := w.serve("tcp", func(c net.Conn) {
		buf := make([]byte, 1)
		if _, err := io.ReadFull(c, buf); err != nil {
			return
		}
		if buf[0] == 'r' {
			c.(interface{ SetLinger(int) error }).SetLinger(0)
			return
		}
		all, err := io.ReadAll(c) // until the client closes its half
		if err == nil {
			c.Write(all)
		}
	})
	if err != nil {
		return err
	}
	l := load.NewLedger(load.LedgerOptions{Ordered: true})
	err = w.each(ctx, 6, func(ctx context.Context, r *rand.Rand, _ int) error {
		c, err := w.dial(ctx, "tcp", address)
		if err != nil {
			if errors.Is(err, syscall.EADDRNOTAVAIL) {
				return nil
			}
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(w.Patience))
		if r.IntN(2) == 0 {
			if _, err := c.Write([]byte("r")); err != nil {
				return err
			}
			_, err := c.Read(make([]byte, 1))
			if !errors.Is(err, syscall.ECONNRESET) {
				return fmt.Errorf("the peer reset the connection, and a read says %w", err)
			}
			return nil
		}
		s, buf := l.Stream(), make([]byte, 1+load.Header+r.IntN(20_000))
		buf[0] = 'h'
		s.Stamp(buf[1:], true)
		if _, err := c.Write(buf); err != nil {
			return err
		}
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			return err
		}
		got, err := io.ReadAll(c)
		if err != nil {
			return err
		}
		if _, err := s.Answer(got); err != nil {
			return err
		}
		return s.Close()
	})
	return errors.Join(err, stop())
}

// slowreaders has peers that let the writer's buffers be full most of the time.
func slowreaders(ctx context.Context, w *World) error {
	address, stop, err := w.serve("tcp", func(c net.Conn) {
		r := w.random()
		buf := make([]byte, 8<<10)
		var sum, n uint64
		for {
			k, err := c.Read(buf[:1+r.IntN(len(buf))])
			for _, b := range buf[:k] {
				sum = sum*31 + uint64(b)
			}
			if n += uint64(k); err != nil {
				break
			}
			if r.IntN(16) == 0 {
				time.Sleep(time.Duration(r.IntN(500)) * time.Microsecond)
			}
		}
		fmt.Fprintf(c, "%d %d", n, sum)
	})
	if err != nil {
		return err
	}
	err = w.each(ctx, 2, func(ctx context.Context, r *rand.Rand, _ int) error {
		c, err := w.dial(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(w.Patience))
		if t, ok := c.(interface{ SetWriteBuffer(int) error }); ok {
			t.SetWriteBuffer(8 << 10)
		}
		var sum, n uint64
		buf := make([]byte, 50_000)
		for range 8 {
			p := buf[:1+r.IntN(len(buf))]
			for i := range p {
				p[i] = byte(r.Uint32())
				sum = sum*31 + uint64(p[i])
			}
			k, err := c.Write(p)
			if n += uint64(k); err != nil || k != len(p) {
				return fmt.Errorf("%d of %d bytes written: %w", k, len(p), err)
			}
		}
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			return err
		}
		got, err := io.ReadAll(c)
		if err == nil && string(got) != fmt.Sprintf("%d %d", n, sum) {
			err = fmt.Errorf("the peer has read %q (bytes and checksum), %d %d were written", got, n, sum)
		}
		return err
	})
	return errors.Join(err, stop())
}
