//go:build !weir_portable

package aio_test

import (
	"bytes"
	"context"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// urge sends a byte as urgent data.
func urge(t *testing.T, c *aio.TCPConn) {
	t.Helper()
	raw, _ := c.SyscallConn()
	var err error
	raw.Control(func(fd uintptr) { err = unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) })
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, c *aio.TCPConn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// One urgent byte made a proxy spin for ever, and kept what came behind it: splice(2) does not step
// over the urgent mark, as recv(2) does.
func TestUrgentDataCostsNothing(t *testing.T) {
	each(t, func(t *testing.T, w *aio.IO) {
		in, client := tcpPair(t, w)
		out, server := tcpPair(t, w)
		put(t, client, "before ")
		urge(t, client)
		put(t, client, "between ")
		done := make(chan error, 1)
		waits(t, "Copy", func(deadline time.Time) error {
			in.SetReadDeadline(deadline)
			_, err := io.Copy(out, in)
			return err
		})
		in.SetReadDeadline(time.Time{})
		go func() {
			_, err := io.Copy(out, in)
			out.CloseWrite()
			done <- err
		}()
		put(t, client, "behind ")
		urge(t, client) // which is the last but one
		put(t, client, "x")
		client.CloseWrite()
		all, err := io.ReadAll(server)
		if want := "before between behind x"; err != nil || string(all) != want {
			t.Errorf("%q, %v; want %q", all, err, want)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A stream does not end at the urgent mark because everything has arrived.
func TestUrgentDataIsNoEnd(t *testing.T) {
	each(t, func(t *testing.T, w *aio.IO) {
		in, client := tcpPair(t, w)
		out, server := tcpPair(t, w)
		urge(t, client)
		put(t, client, "all")
		urge(t, client)
		client.CloseWrite()
		time.Sleep(20 * time.Millisecond) // it all arrives
		n, err := io.Copy(out, in)
		out.CloseWrite()
		all, _ := io.ReadAll(server)
		if n != 3 || err != nil || string(all) != "all" {
			t.Errorf("%d, %v, %q", n, err, all)
		}
	})
}

// The same for operations, from sockets in either mode.
func TestSpliceStepsOverUrgentData(t *testing.T) {
	each(t, func(t *testing.T, w *aio.IO) {
		for _, how := range []struct {
			name string
			run  func(ctx context.Context, from, to int) (int, error)
		}{
			{"Splice", func(ctx context.Context, from, to int) (int, error) {
				return w.Splice(ctx, from, -1, to, -1,
					1<<16)
			}},
			{"op.Splice", func(ctx context.Context, from, to int) (int, error) {
				o := op.Splice(from, -1, to, -1, 1<<16, 0)
				err := w.Do(ctx, o)
				return o.N, err
			}},
		} {
			for _, blocking := range []bool{false, true} {
				in, client := tcpPair(t, w)
				var p [2]int
				if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
					t.Fatal(err)
				}
				put(t, client, "a")
				urge(t, client)
				put(t, client, "bc")
				raw, _ := in.SyscallConn()
				raw.Control(func(fd uintptr) {
					if err := unix.SetNonblock(int(fd), !blocking); err != nil {
						t.Fatal(err)
					}
					moved := 0
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					defer cancel()
					for moved < 3 {
						n, err := how.run(ctx, int(fd), p[1])
						if n == 0 || err != nil {
							t.Fatalf("%s, blocking %v: %d after %d, %v", how.name, blocking, n, moved, err)
						}
						moved += n
					}
					urge(t, client)
					waits(t, how.name, func(deadline time.Time) error {
						ctx, cancel := context.WithDeadline(ctx, deadline)
						defer cancel()
						_, err := how.run(ctx, int(fd), p[1])
						return err
					})
					client.CloseWrite()
					if n, err := how.run(ctx, int(fd), p[1]); n != 0 || err != nil {
						t.Errorf("%s, blocking %v: %d, %v at the end", how.name, blocking, n, err)
					}
				})
				got := make([]byte, 10)
				if n, _ := unix.Read(p[0], got); string(got[:n]) != "abc" {
					t.Errorf("%s, blocking %v: %q", how.name, blocking, got[:n])
				}
				unix.Close(p[0])
				unix.Close(p[1])
			}
		}
	})
}

// Whatever is urgent, a copy is what reads through a buffer would be.
func TestUrgentDataLikeReads(t *testing.T) {
	each(t, func(t *testing.T, w *aio.IO) {
		in, client := tcpPair(t, w)
		out, server := tcpPair(t, w)
		var sent atomic.Int64
		go func() {
			for i := range 200 {
				c := bytes.Repeat([]byte{byte(i)}, 1+i*7%50)
				client.Write(c)
				sent.Add(int64(len(c)))
				raw, _ := client.SyscallConn()
				raw.Control(func(fd uintptr) { unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) })
				if i%10 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			client.CloseWrite()
		}()
		go func() {
			io.Copy(out, in)
			out.CloseWrite()
		}()
		all, err := io.ReadAll(server)
		plain := 0
		for _, b := range all {
			if b != '!' {
				plain++
			}
		}
		if want := int(sent.Load()) - (1 + int('!')*7%50); err != nil || plain != want {
			t.Errorf("%d bytes that were not urgent, %v; want %d", plain, err, want)
		}
	})
}
