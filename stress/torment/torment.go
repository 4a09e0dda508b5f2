// Package torment makes weir's life hard, and checks every answer meanwhile.
//
// A Tormentor works on a World, weir on one backend and drive or packages net and os, until its
// context ends. What it finds wrong is its error. Random choices follow from the world's seed, but
// their order in time is the schedulers'.
package torment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/stress/load"
)

// Tormentor is one way to make life hard.
type Tormentor struct {
	Name string
	Help string
	// Alone says that others do not run at the same time: they would fail, and rightly.
	Alone bool
	// Run works until ctx ends. It returns a *Skip if it cannot work here.
	Run func(ctx context.Context, w *World) error
}

// Skip is the error of a tormentor that cannot work on this machine.
type Skip struct{ Why string }

func (s *Skip) Error() string { return "cannot run here: " + s.Why }

// All are all tormentors.
var All = []Tormentor{
	{Name: "churn", Help: "connections that live for a few messages", Run: churn},
	{Name: "messages", Help: "messages on connections that stay, of all sizes and in pipelines", Run: messages},
	{Name: "datagrams", Help: "datagrams on the loopback interface", Run: datagrams},
	{Name: "cancelstorm", Help: "reads, sleeps and dials that deadlines and contexts end", Run: cancelstorm},
	{Name: "closestorm", Help: "connections closed under what waits on them", Run: closestorm},
	{Name: "resets", Help: "peers that reset connections, and that close one half", Run: resets},
	{Name: "slowreaders", Help: "peers that read slowly, in small pieces", Run: slowreaders},
	{Name: "overflow", Help: "loops with tiny queues and little room in flight", Run: overflow},
	{Name: "timers", Help: "sleepers, none of which may wake too early", Run: timers},
	{Name: "files", Help: "blocks of a file written, synced and read back", Run: files},
	{Name: "coroutines", Help: "messages of coroutines", Run: coroutines},
	{Name: "gcstorm", Help: "collections of garbage, one after the other", Run: gcstorm},
	{Name: "memlimit", Help: "a limit of memory (GOMEMLIMIT) close to what is used", Run: memlimit},
	{Name: "signals", Help: "signals to the process, all the time", Run: signals},
	{Name: "stopcont", Help: "SIGSTOP and SIGCONT", Run: stopcont},
	{Name: "diskfull", Help: "a file system of 1 MiB that is filled again and again (needs root)", Run: diskfull},
	{Name: "fdlimit", Help: "no descriptors left for new connections", Alone: true, Run: fdlimit},
}

// Find returns the tormentors of these names; no name means all.
func Find(names []string) ([]Tormentor, error) {
	if len(names) == 0 {
		return All, nil
	}
	var some []Tormentor
next:
	for _, n := range names {
		var known []string
		for _, t := range All {
			if t.Name == n {
				some = append(some, t)
				continue next
			}
			known = append(known, t.Name)
		}
		return nil, fmt.Errorf("no tormentor is called %q: want %s", n, strings.Join(known, ", "))
	}
	return some, nil
}

// World is what tormentors work on.
type World struct {
	IO       *aio.IO // nil: packages net and os
	Options  aio.Options
	Seed     uint64
	Dir      string        // for files
	Patience time.Duration // what a single step may take

	ops   atomic.Uint64
	rands atomic.Uint64
}

// Ops is how many answers, or ends of waits, were right.
func (w *World) Ops() uint64 { return w.ops.Load() }

// random is a source of its own for a goroutine.
func (w *World) random() *rand.Rand { return rand.New(rand.NewPCG(w.Seed, w.rands.Add(1))) }

func (w *World) listen(network, address string) (net.Listener, error) {
	if w.IO != nil {
		return w.IO.Listen(network, address)
	}
	return net.Listen(network, address)
}

func (w *World) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.Patience)
	defer cancel()
	if w.IO != nil {
		return w.IO.DialContext(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (w *World) sleep(ctx context.Context, d time.Duration) error {
	if w.IO != nil {
		return w.IO.Sleep(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// serve has serve answer the connections of a listener of the world's side, until stop is called,
// which waits for the end of all.
func (w *World) serve(network string, serve func(net.Conn)) (address string, stop func() error, err error) {
	at := "127.0.0.1:0"
	if network == "unix" {
		f, err := os.CreateTemp(w.Dir, "socket")
		if err != nil {
			return "", nil, err
		}
		at = f.Name()
		f.Close()
		os.Remove(at)
	}
	ln, err := w.listen(network, at)
	if err != nil {
		return "", nil, err
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	live, over := map[net.Conn]bool{}, false
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // no descriptors, for example
				time.Sleep(time.Millisecond)
				continue
			}
			mu.Lock()
			if live[c] = true; over {
				c.Close()
			}
			mu.Unlock()
			all.Go(func() {
				serve(c)
				c.Close()
				mu.Lock()
				delete(live, c)
				mu.Unlock()
			})
		}
	})
	return ln.Addr().String(), func() error {
		err := ln.Close()
		mu.Lock()
		over = true
		for c := range live {
			c.Close()
		}
		mu.Unlock()
		return errors.Join(err, wait(&all, ending(w.Patience), "connections of a server"))
	}, nil
}

// echo sends back what it reads.
func echo(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// grace is what everything that is told to end may take.
var grace = 5 * time.Second

// ending is how long what is told to end may take, if an answer may take so long.
func ending(patience time.Duration) time.Duration { return max(patience, grace) }

// wait waits for goroutines that must end.
func wait(all *sync.WaitGroup, patience time.Duration, what string) error {
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-time.After(patience):
		return stuck(what, patience)
	}
}

func stuck(what string, patience time.Duration) error {
	var b strings.Builder
	pprof.Lookup("goroutine").WriteTo(&b, 1)
	return &load.StuckError{Left: 1, Workers: 1, Patience: patience, Stacks: []byte(what + ":\n" + b.String())}
}

// each runs n goroutines that do step until ctx ends or one fails.
func (w *World) each(ctx context.Context, n int, step func(ctx context.Context, r *rand.Rand, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	failed := make(chan error, n)
	for i := range n {
		r := w.random()
		all.Go(func() {
			for ctx.Err() == nil {
				if err := step(ctx, r, i); err != nil {
					failed <- err
					cancel(err)
					return
				}
				w.ops.Add(1)
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// exchange sends a message of the ledger and checks its echo.
func exchange(c net.Conn, s *load.Stream, buf, got []byte) error {
	s.Stamp(buf, true)
	if _, err := c.Write(buf); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	_, err := s.Answer(got)
	return err
}
