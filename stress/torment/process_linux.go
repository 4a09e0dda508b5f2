package torment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/stress/load"
)

// overflow runs messages on an IO of its own whose queues are as small as they can be.
func overflow(ctx context.Context, w *World) error {
	if w.IO == nil {
		return &Skip{"package net has no queues"}
	}
	o := w.Options
	o.QueueEntries, o.CompletionEntries, o.MaxInFlight, o.KernelWorkers = 2, 4, 40, 1
	small, err := aio.New(o)
	if err != nil {
		return err
	}
	inner := &World{IO: small, Options: o, Seed: w.Seed, Dir: w.Dir, Patience: w.Patience}
	// at most 26 operations wait at one time: servers and clients of 6 connections of each kind, and two that accept
	err = inner.served(func(address map[string]string) error {
		return inner.each(ctx, 12, func(ctx context.Context, r *rand.Rand, i int) error {
			c, err := inner.dial(ctx, network(i), address[network(i)])
			if err != nil {
				if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAGAIN) {
					return nil
				}
				return err
			}
			defer c.Close()
			if t, ok := c.(interface{ SetLinger(int) error }); ok {
				t.SetLinger(0)
			}
			c.SetDeadline(time.Now().Add(w.Patience))
			s, buf := load.NewLedger(load.LedgerOptions{Ordered: true}).Stream(), make([]byte, 200)
			for range 50 {
				if err := exchange(c, s, buf, make([]byte, len(buf))); err != nil {
					return err
				}
			}
			return s.Close()
		})
	})
	w.ops.Add(inner.Ops())
	return errors.Join(err, small.Close())
}

// timers has sleepers whose times are random: none may wake too early, and all must wake.
func timers(ctx context.Context, w *World) error {
	return w.each(ctx, 64, func(ctx context.Context, r *rand.Rand, i int) error {
		d := time.Duration(r.IntN(5_000_000))
		start := time.Now()
		err := w.sleep(ctx, d)
		took := time.Since(start)
		switch {
		case err != nil && ctx.Err() == nil:
			return err
		case err == nil && took < d:
			return fmt.Errorf("a sleep of %v took %v", d, took)
		case took > w.Patience:
			return fmt.Errorf("a sleep of %v took %v", d, took)
		}
		return nil
	})
}

// blocks is a file.
type blocks interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(int64) error
}

func (w *World) create(name string) (blocks, error) {
	const flags = os.O_RDWR | os.O_CREATE | os.O_TRUNC
	if w.IO != nil {
		return w.IO.OpenFile(name, flags, 0o600)
	}
	return os.OpenFile(name, flags, 0o600)
}

// files has goroutines that write blocks of one file, each its own, and read them back.
func files(ctx context.Context, w *World) error {
	name := filepath.Join(w.Dir, "blocks")
	f, err := w.create(name)
	if err != nil {
		return err
	}
	defer os.Remove(name)
	l := load.NewLedger(load.LedgerOptions{})
	streams := make([]*load.Stream, 16)
	for i := range streams {
		streams[i] = l.Stream()
	}
	err = w.each(ctx, len(streams), func(ctx context.Context, r *rand.Rand, i int) error {
		buf := make([]byte, load.Header+r.IntN(16<<10))
		at := int64(i)<<20 + int64(r.IntN(1<<18))
		streams[i].Stamp(buf, true)
		if n, err := f.WriteAt(buf, at); err != nil {
			return fmt.Errorf("%d of %d bytes written: %w", n, len(buf), err)
		}
		if r.IntN(32) == 0 {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		got := make([]byte, len(buf))
		if _, err := f.ReadAt(got, at); err != nil {
			return err
		}
		_, err := streams[i].Answer(got)
		return err
	})
	return errors.Join(err, f.Close())
}

// gcstorm collects garbage all the time.
func gcstorm(ctx context.Context, w *World) error {
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	for ctx.Err() == nil {
		start := time.Now()
		runtime.GC()
		w.ops.Add(1)
		time.Sleep(time.Since(start)) // others want to get on, too
	}
	return nil
}

// memlimit has the collector run because of the limit: the heap is near it, and grows and shrinks.
func memlimit(ctx context.Context, w *World) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(m.Sys-m.HeapReleased) + 8<<20))
	r := w.random()
	var keep [64][]byte
	for ctx.Err() == nil {
		p := make([]byte, 1+r.IntN(256<<10))
		for i := 0; i < len(p); i += 4096 {
			p[i] = 1
		}
		keep[r.IntN(len(keep))] = p
		w.ops.Add(1)
		time.Sleep(200 * time.Microsecond)
	}
	runtime.KeepAlive(&keep)
	return nil
}

// signals sends this process signals that interrupt system calls.
func signals(ctx context.Context, w *World) error {
	got := make(chan os.Signal, 16)
	signal.Notify(got, unix.SIGUSR1, unix.SIGWINCH)
	defer signal.Stop(got)
	r, pid := w.random(), os.Getpid()
	for ctx.Err() == nil {
		s := []unix.Signal{unix.SIGUSR1, unix.SIGWINCH, unix.SIGURG}[r.IntN(3)]
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range threads {
			var id int
			fmt.Sscan(t.Name(), &id)
			unix.Tgkill(pid, id, s) // a thread that has ended since gets none
		}
		for len(got) > 0 {
			<-got
		}
		w.ops.Add(1)
		time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
	}
	return nil
}

// stopcont has another process stop this one for a moment, again and again.
func stopcont(ctx context.Context, w *World) error {
	for ctx.Err() == nil {
		script := fmt.Sprintf("kill -STOP %d; sleep 0.05; kill -CONT %[1]d", os.Getpid())
		if out, err := exec.Command("/bin/sh", "-c", script).CombinedOutput(); err != nil {
			return fmt.Errorf("stop and continue: %w: %s", err, out)
		}
		w.ops.Add(1)
		w.sleep(ctx, 200*time.Millisecond)
	}
	return nil
}

// diskfull fills a file system: what fits must be there, the rest must fail with ENOSPC, and when
// there is room again it must be usable.
func diskfull(ctx context.Context, w *World) error {
	dir, err := os.MkdirTemp(w.Dir, "full")
	if err != nil {
		return err
	}
	defer os.Remove(dir)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		return &Skip{fmt.Sprintf("mount tmpfs: %v", err)}
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	f, err := w.create(filepath.Join(dir, "file"))
	if err != nil {
		return err
	}
	r := w.random()
	s := load.NewLedger(load.LedgerOptions{}).Stream()
	round := func() error {
		size := load.Header + r.IntN(60<<10)
		var at []int64
		for off := int64(0); ; off += int64(size) {
			buf := make([]byte, size)
			number := s.Stamp(buf, true)
			n, err := f.WriteAt(buf, off)
			if err == nil {
				at = append(at, off)
				continue
			}
			if s.Forget(number); !errors.Is(err, unix.ENOSPC) || n >= size {
				return fmt.Errorf("a write to a full file system: %d of %d bytes, %w", n, size, err)
			}
			break
		}
		for _, off := range at {
			got := make([]byte, size)
			if _, err := f.ReadAt(got, off); err != nil {
				return err
			}
			if _, err := s.Answer(got); err != nil {
				return err
			}
		}
		if len(at)*size > 1<<20 {
			return fmt.Errorf("%d bytes fit 1 MiB", len(at)*size)
		}
		w.ops.Add(1)
		return f.Truncate(0)
	}
	for ctx.Err() == nil && err == nil {
		err = round()
	}
	return errors.Join(err, f.Close())
}

// fdlimit lowers the limit of descriptors to what is open, and a few: connections fail, and must
// work again when there are descriptors.
func fdlimit(ctx context.Context, w *World) error {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		return err
	}
	restore := func() error { return unix.Setrlimit(unix.RLIMIT_NOFILE, &before) }
	defer restore()
	l := load.NewLedger(load.LedgerOptions{Ordered: true})
	one := func(c net.Conn) error {
		c.SetDeadline(time.Now().Add(w.Patience))
		s, buf := l.Stream(), make([]byte, 64)
		return errors.Join(exchange(c, s, buf, make([]byte, 64)), s.Close())
	}
	return w.served(func(address map[string]string) error {
		for ctx.Err() == nil {
			open, err := os.ReadDir("/proc/self/fd")
			if err != nil {
				return err
			}
			low := before
			low.Cur = uint64(len(open)) + 12
			if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
				return err
			}
			var conns []net.Conn
			refused := false
			for range 20 {
				short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
				var c net.Conn
				if w.IO != nil {
					c, err = w.IO.DialContext(short, "tcp", address["tcp"])
				} else {
					c, err = new(net.Dialer).DialContext(short, "tcp", address["tcp"])
				}
				cancel()
				if err == nil {
					conns = append(conns, c)
					continue
				}
				refused = refused || errors.Is(err, unix.EMFILE)
			}
			if err := restore(); err != nil {
				return err
			}
			var all sync.WaitGroup
			errs := make([]error, len(conns))
			for i, c := range conns {
				all.Go(func() { errs[i] = errors.Join(one(c), c.Close()) })
			}
			all.Wait()
			if err := errors.Join(errs...); err != nil {
				return fmt.Errorf("a connection made while descriptors were short: %w", err)
			}
			if !refused {
				return errors.New("no connection was refused: the limit has no effect")
			}
			c, err := w.dial(ctx, "tcp", address["tcp"])
			if err != nil {
				return fmt.Errorf("after the shortage: %w", err)
			}
			if err := errors.Join(one(c), c.Close()); err != nil {
				return fmt.Errorf("after the shortage: %w", err)
			}
			w.ops.Add(1)
		}
		return nil
	})
}
