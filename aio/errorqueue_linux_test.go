//go:build !weir_portable

package aio_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// TestErrorQueueCostsWritersNothing: what stands in the error queue of a socket, here when each of
// its packets was sent, keeps POLLERR up, and epoll and poll report that to those that wait for
// room too. A writer neither spins nor sees EAGAIN; it goes on when there is room. All backends and
// drives wait at the same time, so that the CPU time of the process is that of all.
func TestErrorQueueCostsWritersNothing(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(1 << 16); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 1<<16)
	ctx := context.Background()
	do := func(w *aio.IO, o *op.Op, c *aio.TCPConn) error { return w.Do(ctx, o.On(c)) }
	writers := map[string]func(w *aio.IO, c *aio.TCPConn) error{
		"Write": func(_ *aio.IO, c *aio.TCPConn) error { _, err := c.Write(data); return err },
		"Writev": func(_ *aio.IO, c *aio.TCPConn) error {
			_,
				err := c.Writev([][]byte{data[1:], data[:1]})
			return err
		},
		"ReadFrom of a file": func(_ *aio.IO, c *aio.TCPConn) error {
			_, err := c.ReadFrom(&io.LimitedReader{R: file, N: 1 << 14})
			return err
		},
		"ReadFrom of a connection": func(w *aio.IO, c *aio.TCPConn) error {
			from, source := tcpPair(t, w)
			source.Write(data[:1<<14])
			source.Close()
			_, err := c.ReadFrom(from)
			return err
		},
		"RawConn.Write": func(_ *aio.IO, c *aio.TCPConn) error {
			raw, err := c.SyscallConn()
			if err != nil {
				return err
			}
			return raw.Write(func(fd uintptr) bool { n, _ := unix.Write(int(fd), data); return n > 0 })
		},
		"op.Send":  func(w *aio.IO, c *aio.TCPConn) error { return do(w, op.Send(-1, data, 0), c) },
		"op.Write": func(w *aio.IO, c *aio.TCPConn) error { return do(w, op.Write(-1, data, op.Stream), c) },
		"op.Writev": func(w *aio.IO, c *aio.TCPConn) error {
			return do(w,
				op.Writev(-1, [][]byte{data}, op.Stream), c)
		},
		"op.SendMsg": func(w *aio.IO, c *aio.TCPConn) error {
			return do(w, op.SendMsg(-1, &op.Msg{Bufs: [][]byte{data}}, 0), c)
		},
		"op.Splice": func(w *aio.IO, c *aio.TCPConn) error {
			var p [2]int
			if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
				return err
			}
			defer unix.Close(p[0])
			defer unix.Close(p[1])
			if _, err := unix.Write(p[1], data[:1000]); err != nil {
				return err
			}
			return do(w, op.Splice(p[0], op.Stream, -1, op.Stream, 1000, 0), c)
		},
	}

	type waiter struct {
		name    string
		c, peer *aio.TCPConn
		write   func() error
		done    chan error
	}
	var waiters []waiter
	var rings []*aio.IO
	for _, backend := range []string{"io_uring", "epoll", "portable"} {
		if want := os.Getenv("WEIR_BACKEND"); want != "" && want != backend {
			continue
		}
		for _, drive := range drives {
			w, err := aio.New(aio.Options{Backend: backend, Drive: drive})
			if err != nil {
				t.Logf("%s/%s cannot start here: %v", backend, drive, err)
				continue
			}
			t.Cleanup(func() { w.Close() })
			if backend == "io_uring" {
				rings = append(rings, w)
			}
			for name, write := range writers {
				c, peer := tcpPair(t, w)
				waiters = append(waiters, waiter{
					fmt.Sprintf("%s/%s: %s", backend, drive, name), c, peer, func() error { return write(w, c) },
					make(chan error, 1),
				})
			}
		}
	}
	var full sync.WaitGroup
	for _, wait := range waiters {
		full.Go(func() { fillErrorQueue(t, wait.c) })
	}
	if full.Wait(); t.Failed() {
		t.FailNow()
	}
	for _, wait := range waiters {
		go func() { wait.done <- wait.write() }()
	}
	const interval = 240 * time.Millisecond
	tries := func() (n uint64) {
		for _, w := range rings {
			n += w.Stats().Resubmitted
		}
		return n
	}
	for was, i := ^uint64(0), 0; was != tries() && i < 20; i++ { // they begin to wait
		was = tries()
		time.Sleep(interval / 5)
	}
	before, tried := cpuTime(t), tries()
	time.Sleep(interval)
	worked := cpuTime(t) - before
	if n := tries() - tried; n > 0 { // elsewhere some pause, and try again
		t.Errorf("rings try %d times while nothing changes", n)
	}
	for _, wait := range waiters {
		select {
		case err := <-wait.done:
			t.Errorf("%s has not waited: %v", wait.name, err)
			wait.done <- nil
		default:
		}
	}
	if worked > interval*3/4 {
		t.Errorf("the process worked for %v while %d writers waited for %v", worked, len(waiters), interval)
	}
	for _, wait := range waiters {
		go io.Copy(io.Discard, wait.peer)
		select {
		case err := <-wait.done:
			if err != nil {
				t.Errorf("%s: %v", wait.name, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s does not go on when there is room", wait.name)
		}
	}
}

// fillErrorQueue fills a connection up and has it report POLLERR.
func fillErrorQueue(t *testing.T, c *aio.TCPConn) {
	check := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	check(c.SetWriteBuffer(1 << 16))
	raw, err := c.SyscallConn()
	check(err)
	raw.Control(func(fd uintptr) {
		const sent = unix.SOF_TIMESTAMPING_TX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE
		check(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING, sent))
	})
	_, err = c.Write([]byte("x"))
	check(err)
	fillUp(t, c)
	time.Sleep(60 * time.Millisecond) // the peer may take 40 ms to acknowledge the last bytes, which makes room
	fillUp(t, c)
	raw.Control(func(fd uintptr) {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, err := unix.Poll(polled, 0); n != 1 || polled[0].Revents != unix.POLLERR {
			t.Errorf("poll reports %#x, %v, want POLLERR alone", polled[0].Revents, err)
		}
	})
}
