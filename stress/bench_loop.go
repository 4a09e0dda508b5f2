package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/coro"
	aiort "github.com/weirgo/weir/runtime"
)

func (b *benchRun) loop() (*aiort.Loop, error) {
	return aiort.NewLoop(aiort.Options{Backend: b.backend})
}

// millionTimers starts timers, a thousand for each millisecond, and waits for them.
func millionTimers(b *benchRun, n int) (err error) {
	l, err := b.loop()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	timers, fired := make([]aiort.Timer, n), 0
	f := func(*aiort.Timer) aiort.Action { fired++; return aiort.Disarm }
	if err := l.Run(aiort.NoWait); err != nil { // the loop is this goroutine's from now on
		return err
	}
	b.begin()
	after := time.Duration(0)
	for i := range timers {
		if i%1000 == 0 {
			after += time.Millisecond
		}
		timers[i].Start(l, after, f)
	}
	b.note("started in %s each", short(float64(time.Since(b.start))/float64(n)))
	err = l.Run(aiort.UntilDone)
	if b.end(); err == nil && fired != n {
		err = errors.New("not all timers have fired")
	}
	b.note("the last was due after %v", after)
	return err
}

// asyncs has a loop wake others, each of which wakes it back, n times for each.
func asyncs(others int) func(*benchRun, int) error {
	return func(b *benchRun, n int) (err error) {
		var loops []*aiort.Loop // those of other goroutines are theirs to close once they run
		defer func() {
			for _, l := range loops {
				err = errors.Join(err, l.Close())
			}
		}()
		for range 1 + others {
			l, err := b.loop()
			if err != nil {
				return err
			}
			loops = append(loops, l)
		}
		there, back := make([]aiort.Async, others), make([]aiort.Async, others)
		for i := range others {
			sent, got := 0, 0
			if err := there[i].Start(loops[1+i], func(*aiort.Async) aiort.Action {
				got++
				back[i].Notify()
				return again(got < n)
			}); err != nil {
				return err
			}
			if err := back[i].Start(loops[0], func(*aiort.Async) aiort.Action {
				if sent++; sent < n {
					there[i].Notify()
				}
				return again(sent < n)
			}); err != nil {
				return err
			}
		}
		var all sync.WaitGroup
		errs := make([]error, others)
		b.begin()
		for i, l := range loops[1:] {
			all.Go(func() { errs[i] = errors.Join(l.Run(aiort.UntilDone), l.Close()) })
			there[i].Notify()
		}
		loops = loops[:1]
		err = loops[0].Run(aiort.UntilDone)
		all.Wait()
		b.end()
		b.n = 2 * n * others
		return errors.Join(err, errors.Join(errs...))
	}
}

func again(more bool) aiort.Action {
	if more {
		return aiort.Rearm
	}
	return aiort.Disarm
}

// pummel has goroutines wake a loop without a pause until its callback has run n times.
func pummel(senders int) func(*benchRun, int) error {
	return func(b *benchRun, n int) (err error) {
		l, err := b.loop()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		var a aiort.Async
		calls := 0
		if err := a.Start(l, func(*aiort.Async) aiort.Action { calls++; return again(calls < n) }); err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		b.begin()
		for range senders {
			all.Go(func() {
				for ctx.Err() == nil {
					a.Notify()
				}
			})
		}
		err = l.Run(aiort.UntilDone)
		b.end()
		cancel()
		all.Wait()
		return err
	}
}

// inTask runs f as a coroutine.
func (b *benchRun) inTask(f func(t *coro.Task) error) (err error) {
	s, err := coro.New(coro.Options{IO: b.io, HogLimit: -1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	_, err = coro.Spawn(s, func(t *coro.Task) (struct{}, error) { return struct{}{}, f(t) }).Wait(context.Background())
	return err
}

func coroNops(b *benchRun, n int) error {
	return b.inTask(func(t *coro.Task) error {
		ops := make([]*op.Op, 32)
		for i := range ops {
			ops[i] = op.Nop()
		}
		b.begin()
		defer b.end()
		for left := n; left > 0; left -= len(ops) {
			if err := t.Do(ops...); err != nil {
				return err
			}
		}
		return nil
	})
}

func spawns(b *benchRun, n int) error {
	return b.inTask(func(t *coro.Task) error {
		b.begin()
		defer b.end()
		var all [10]*coro.Handle[int]
		for left := n; left > 0; left -= len(all) {
			for i := range all {
				all[i] = coro.Spawn(t, func(*coro.Task) (int, error) { return i, nil })
			}
			for i, h := range all {
				if got, err := h.Wait(t); err != nil || got != i {
					return errors.Join(err, errors.New("a coroutine has another's result"))
				}
			}
		}
		return nil
	})
}

// zeroes reads /dev/zero, by a coroutine.
func zeroes(b *benchRun, n int) (err error) {
	f, err := os.Open("/dev/zero")
	if err != nil {
		return err
	}
	defer f.Close()
	return b.inTask(func(t *coro.Task) error {
		read := op.Read(int(f.Fd()), make([]byte, 4096), 0)
		b.begin()
		defer b.end()
		for range n {
			if err := t.Do(read); err != nil {
				return err
			}
			if read.N != 4096 {
				return errors.New("a short read of /dev/zero")
			}
		}
		return nil
	})
}
