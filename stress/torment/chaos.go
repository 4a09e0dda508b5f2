package torment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/stress/load"
)

// Plan says what is tormented, and how long.
type Plan struct {
	Tormentors []Tormentor
	Std        bool        // packages net and os in place of weir
	Options    aio.Options // of weir
	Time       time.Duration
	Seed       uint64
	Dir        string        // "": the system's temporary directory
	Patience   time.Duration // what a single step may take; 0: 30 s
	Note       func(string)  // what a user should know; may be nil

	Watch func(*aio.IO) // called some times a second meanwhile, with what is tormented; may be nil
}

// Outcome is what was found.
type Outcome struct {
	World    string            `json:"world"`
	Time     time.Duration     `json:"time_ns"`
	Ops      map[string]uint64 `json:"ops"` // of each tormentor: answers that were right
	Skipped  map[string]string `json:"skipped,omitempty"`
	Failed   map[string]string `json:"failed,omitempty"`
	Snapshot json.RawMessage   `json:"snapshot,omitempty"` // of weir, when the first one failed
}

// Run torments one world: all of the plan's tormentors at one time for Plan.Time, and after them, one
// by one for a tenth of that, those that must be alone. It returns an error that says what failed, or
// what was left behind: goroutines, descriptors, operations in flight. The outcome is there in each
// case.
func Run(ctx context.Context, p Plan) (o *Outcome, err error) {
	if p.Patience <= 0 {
		p.Patience = 30 * time.Second
	}
	if p.Note == nil {
		p.Note = func(string) {}
	}
	o = &Outcome{World: "net and os", Ops: map[string]uint64{}, Skipped: map[string]string{}, Failed: map[string]string{}}
	begun := time.Now()
	defer func() { o.Time = time.Since(begun) }()
	dir, err := os.MkdirTemp(p.Dir, "weir-torment-")
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(dir)
	c0 := make(chan os.Signal, 1) // os/signal keeps its goroutine from the first use on
	signal.Notify(c0, os.Interrupt)
	signal.Stop(c0)
	before := look()
	c := &chaos{Plan: p, o: o, dir: dir}
	if !p.Std {
		if c.io, err = aio.New(p.Options); err != nil {
			return o, err
		}
		i := c.io.Info()
		o.World = fmt.Sprintf("weir: %s, drive %s", i.Backend, i.Drive)
	}
	var together []Tormentor
	for _, t := range p.Tormentors {
		if !t.Alone {
			together = append(together, t)
		}
	}
	err = c.run(ctx, together, p.Time)
	for _, t := range p.Tormentors {
		if t.Alone && err == nil && ctx.Err() == nil {
			err = c.run(ctx, []Tormentor{t}, max(p.Time/10, 10*time.Millisecond))
		}
	}
	if s := (*load.StuckError)(nil); errors.As(err, &s) {
		return o, err // what still runs cannot be told from what was left behind
	}
	if c.io != nil {
		err = errors.Join(err, c.close())
	}
	if err == nil {
		err = before.leaks(p.Patience)
	}
	return o, err
}

// chaos is a Plan that is run.
type chaos struct {
	Plan
	io  *aio.IO
	o   *Outcome
	dir string
}

// run runs some tormentors at one time. The first that fails ends all.
func (c *chaos) run(ctx context.Context, some []Tormentor, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	var errs error
	for i, t := range some {
		dir := fmt.Sprintf("%s/%s", c.dir, t.Name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		w := &World{IO: c.io, Options: c.Options, Seed: c.Seed + uint64(i)<<32, Dir: dir, Patience: c.Patience}
		all.Go(func() {
			err := guard(ctx, t, w)
			mu.Lock()
			defer mu.Unlock()
			c.o.Ops[t.Name] += w.Ops()
			var skip *Skip
			switch {
			case errors.As(err, &skip):
				c.o.Skipped[t.Name] = skip.Why
			case err != nil:
				if c.io != nil && c.o.Snapshot == nil {
					c.o.Snapshot, _ = json.Marshal(c.io.Snapshot(aio.SnapshotOptions{}))
				}
				c.o.Failed[t.Name] = err.Error()
				errs = errors.Join(errs, fmt.Errorf("%s: %w", t.Name, err))
				cancel()
			case w.Ops() == 0:
				c.Note(t.Name + " has done nothing: its time was too short")
			}
		})
	}
	if c.Watch != nil {
		c.watch(ctx)
	}
	// a tormentor ends soon after its time, whatever it waits for
	if err := wait(&all, d+2*ending(c.Patience), "tormentors"); err != nil {
		mu.Lock()
		defer mu.Unlock()
		if c.io != nil && c.o.Snapshot == nil {
			c.o.Snapshot, _ = json.Marshal(c.io.Snapshot(aio.SnapshotOptions{}))
		}
		return errors.Join(errs, err)
	}
	return errs
}

// watch calls Watch until ctx ends.
func (c *chaos) watch(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.Watch(c.io)
		}
	}
}

// guard has a panic in a tormentor's own goroutine be its error.
func guard(ctx context.Context, t Tormentor, w *World) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return t.Run(ctx, w)
}

// close closes the IO, on which nothing may be left.
func (c *chaos) close() error {
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), ending(c.Patience))
		defer cancel()
		ended <- c.io.Shutdown(ctx)
	}()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("weir does not shut down: %w", err)
		}
		return nil
	case <-time.After(2 * ending(c.Patience)):
		return stuck("Shutdown", 2*ending(c.Patience))
	}
}

// held is what the process holds.
type held struct{ goroutines, descriptors int }

func look() held {
	h := held{goroutines: runtime.NumGoroutine()}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		h.descriptors = len(fds)
	}
	return h
}

// leaks waits until no more is held than before.
func (h held) leaks(patience time.Duration) error {
	var now held
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		runtime.GC() // what Go's own pools and finalizers hold
		if now = look(); now.goroutines <= h.goroutines && now.descriptors <= h.descriptors {
			return nil
		}
		if time.Now().After(end) {
			break
		}
	}
	var stacks strings.Builder
	if now.goroutines > h.goroutines {
		buf := make([]byte, 1<<20)
		stacks.Write(buf[:runtime.Stack(buf, true)])
	}
	return fmt.Errorf("left behind: %d goroutines and %d descriptors, %d and %d before\n%s", now.goroutines,
		now.descriptors, h.goroutines, h.descriptors, stacks.String())
}
