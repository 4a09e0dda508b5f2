package coro

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// started is a scheduler for a benchmark, with an IO of its own, until the benchmark ends.
func started(b *testing.B) *Scheduler {
	b.Helper()
	io, err := aio.New(aio.Options{})
	if err != nil {
		b.Skip("no backend can start here:", err)
	}
	b.Cleanup(func() { io.Close() })
	s, err := New(Options{IO: io})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	b.ReportAllocs()
	return s
}

// benchmark runs f in a task of a scheduler of its own.
func benchmark(b *testing.B, f func(t *Task)) {
	b.Helper()
	h := Spawn(started(b), func(t *Task) (int, error) { f(t); return 0, nil })
	if _, err := h.Wait(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSpawn is spawning a child, running it and waiting for it.
func BenchmarkSpawn(b *testing.B) {
	benchmark(b, func(t *Task) {
		for b.Loop() {
			h := Spawn(t, func(*Task) (int, error) { return 1, nil })
			if v, err := h.Wait(t); v != 1 || err != nil {
				b.Fatal(v, err)
			}
		}
	})
}

// BenchmarkSpawnAcross is spawning from a goroutine and waiting there.
func BenchmarkSpawnAcross(b *testing.B) {
	s := started(b)
	for b.Loop() {
		h := Spawn(s, func(*Task) (int, error) { return 1, nil })
		if v, err := h.Wait(context.Background()); v != 1 || err != nil {
			b.Fatal(v, err)
		}
	}
}

// BenchmarkYield is a Yield with one other task that yields.
func BenchmarkYield(b *testing.B) {
	benchmark(b, func(t *Task) {
		stop := false
		Spawn(t, func(t *Task) (int, error) {
			for !stop {
				t.Yield()
			}
			return 0, nil
		})
		for b.Loop() {
			t.Yield()
		}
		stop = true
	})
}

// BenchmarkQueuePingPong is a value there and one back between two coroutines.
func BenchmarkQueuePingPong(b *testing.B) {
	for _, capacity := range []int{0, 1} {
		b.Run(map[int]string{0: "unbuffered", 1: "buffered"}[capacity], func(b *testing.B) {
			benchmark(b, func(t *Task) {
				there, back := NewQueue[int](capacity), NewQueue[int](capacity)
				Spawn(t, func(t *Task) (int, error) {
					for {
						v, err := there.Recv(t)
						if err != nil {
							return 0, nil
						}
						back.Send(t, v)
					}
				})
				for b.Loop() {
					there.Send(t, 1)
					back.Recv(t)
				}
				there.Close()
			})
		})
	}
}

// BenchmarkNops is operations that do nothing, in batches of 32 from one coroutine. One op is one
// nop.
func BenchmarkNops(b *testing.B) {
	benchmark(b, func(t *Task) {
		ops := make([]*op.Op, 32)
		for i := range ops {
			ops[i] = op.Nop()
		}
		for left := b.N; left > 0; left -= len(ops) {
			if err := t.Do(ops...); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkTCPPingPong is a byte there and back over TCP, both ends coroutines on one loop.
func BenchmarkTCPPingPong(b *testing.B) {
	for _, drive := range []string{"auto", "thread"} {
		b.Run(drive, func(b *testing.B) {
			weir, err := aio.New(aio.Options{Drive: drive})
			if err != nil {
				b.Skip("no backend can start here:", err)
			}
			defer weir.Close()
			ln, err := weir.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer ln.Close()
			client, err := weir.Dial("tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			server, err := ln.Accept()
			if err != nil {
				b.Fatal(err)
			}
			defer server.Close()
			s, err := New(Options{IO: weir})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.ReportAllocs()
			echo := Spawn(s, func(t *Task) (int, error) { return 0, pong(t.Conn(server)) })
			ping := Spawn(s, func(t *Task) (int, error) {
				c := t.Conn(client)
				defer c.Close()
				buf := make([]byte, 1)
				for b.Loop() {
					if _, err := c.Write(buf); err != nil {
						return 0, err
					}
					if _, err := c.Read(buf); err != nil {
						return 0, err
					}
				}
				return 0, nil
			})
			for _, h := range []*Handle[int]{ping, echo} {
				if _, err := h.Wait(context.Background()); err != nil {
					b.Error(err)
				}
			}
			st := s.Stats().Loop
			b.ReportMetric(float64(st.Syscalls)/float64(b.N), "enters/op")
		})
	}
}

func pong(c net.Conn) error {
	buf := make([]byte, 1)
	for {
		n, err := c.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return err
		}
	}
}
