package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/coro"
)

var ping = []byte("PING\n")

// pair is a TCP connection on the loopback interface, both ends.
func (b *benchRun) pair() (client, server net.Conn, err error) {
	ln, err := b.io.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, ln.Close()) }()
	if client, err = b.io.DialTimeout("tcp", ln.Addr().String(), 10*time.Second); err != nil {
		return nil, nil, err
	}
	if server, err = ln.Accept(); err != nil {
		client.Close()
		return nil, nil, err
	}
	return client, server, nil
}

// trips makes n round trips, and checks what comes back.
func trips(c net.Conn, n int) error {
	got := make([]byte, len(ping))
	for range n {
		if _, err := c.Write(ping); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, got); err != nil {
			return err
		}
		if !bytes.Equal(got, ping) {
			return fmt.Errorf("%q came back", got)
		}
	}
	return nil
}

func pingPongs(b *benchRun, n int) error {
	client, server, err := b.pair()
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	all.Go(func() { sendBack(server, len(ping)) })
	b.begin()
	err = trips(client, n)
	b.end()
	err = errors.Join(err, client.Close())
	all.Wait()
	return err
}

func coroPingPongs(b *benchRun, n int) error {
	client, server, err := b.pair()
	if err != nil {
		return err
	}
	defer client.Close()
	return b.inTask(func(t *coro.Task) error {
		h := coro.Spawn(t, func(t *coro.Task) (struct{}, error) {
			sendBack(t.Conn(server), len(ping))
			return struct{}{}, nil
		})
		c := t.Conn(client)
		b.begin()
		err := trips(c, n)
		b.end()
		err = errors.Join(err, c.Close())
		_, e := h.Wait(t)
		return errors.Join(err, e)
	})
}

// pingUDP has a socket send datagrams to itself.
func pingUDP(b *benchRun, n int) error {
	c, err := b.io.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer c.Close()
	got := make([]byte, 16)
	b.begin()
	defer b.end()
	for range n {
		if _, err := c.WriteTo(ping, c.LocalAddr()); err != nil {
			return err
		}
		k, _, err := c.ReadFrom(got)
		if err != nil {
			return err
		}
		if !bytes.Equal(got[:k], ping) {
			return fmt.Errorf("%q came back", got[:k])
		}
	}
	return nil
}

// quiet is after how long no more datagrams come.
const quiet = 200 * time.Millisecond

// oneWay sends datagrams of a size from one socket to another, batch at a time, and counts what
// arrives: datagrams that find no room are lost.
func (b *benchRun) oneWay(n, size, batch int) error {
	receiver, err := b.io.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer receiver.Close()
	sender, err := b.io.Dial("udp", receiver.LocalAddr().String())
	if err != nil {
		return err
	}
	defer sender.Close()
	from, to := sender.(*aio.UDPConn), receiver.(*aio.UDPConn)
	if err := to.SetReadBuffer(udpQueue); err != nil {
		return err
	}
	got, last, failed := 0, time.Now(), make(chan error, 1)
	var all sync.WaitGroup
	all.Go(func() {
		ps := packets(batch, size)
		for got < n {
			k, err := to.ReadBatch(context.Background(), ps)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			if err != nil {
				failed <- err
				return
			}
			got += k
			last = time.Now()
		}
	})
	b.begin()
	ps := packets(batch, size)
	for left := n; left > 0 && err == nil; left -= batch {
		_, err = from.WriteBatch(context.Background(), ps[:min(batch, left)])
	}
	sent := time.Since(b.start)
	to.SetReadDeadline(time.Now().Add(quiet))
	all.Wait()
	b.took = max(sent, last.Sub(b.start))
	select {
	case e := <-failed:
		err = errors.Join(err, e)
	default:
	}
	b.note("%.0f %% received", 100*float64(got)/float64(n))
	return err
}

func packets(n, size int) []aio.Packet {
	ps := make([]aio.Packet, n)
	for i := range ps {
		ps[i].Buf = make([]byte, size)
	}
	return ps
}

func udpPummel(b *benchRun, n int) error {
	return b.oneWay(n, len("RANG TANG DING DONG I AM THE JAPANESE SANDMAN"), 1)
}

func flow(b *benchRun, n int) error { return b.oneWay(n, 512, 64) }
