package coro

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirgo/weir/aio"
)

// Options configure a Scheduler. The zero value is good.
type Options struct {
	// IO is where connections and files come from, and whose backend, limits and pool for blocking
	// calls the scheduler's loop has. Nil: aio.Default(). It must stay open as long as the
	// scheduler.
	IO *aio.IO

	// Name is what reports and stack dumps call the scheduler. Empty: "coro".
	Name string

	// Context is where Task.Value looks values up. Nil: context.Background(). That it ends means
	// nothing.
	Context context.Context

	// Budget is the number of times that tasks are resumed before the loop looks for completions
	// again. 0: 32. At least 1.
	Budget int

	// IdleWorkers is the number of coroutines of the Go runtime, each with its stack, that are kept
	// for tasks to come. 0: 1,024. Negative: none.
	IdleWorkers int

	// Spin is how long a thread that has no task to run looks for news before it sleeps, with its
	// processor (P) kept, while that has paid of late: 20 to 50 us where peers answer at once. It
	// is for programs whose work is all in schedulers; goroutines get the P later. 0: not at all.
	// At most 1 ms. Backend: io_uring.
	Spin time.Duration

	// HogLimit is how long a task may run without waiting before it is reported, once, as a Hog. 0:
	// 100 ms, and negative: never. The precision is about a quarter of it. There is one report a
	// second at most: what is found in between is reported then if it still runs, and counted in
	// any case.
	HogLimit time.Duration

	// OnHog gets the reports, on a goroutine of its own. Nil: they go to Logger.
	OnHog func(Hog)

	// OnPanic gets panics of tasks that were detached, on the loop's thread. Nil: they end the
	// program, as they do in a goroutine.
	OnPanic func(*PanicError)

	// Logger gets reports of hogs. Nil: slog.Default().
	Logger *slog.Logger

	// Check makes sure, also where that takes a system call or more each time, that a Task and its
	// views are used by its coroutine alone. On amd64 and arm64 that is exact without it, and
	// everywhere for what spawns, sleeps or makes views. For the rest a goroutine that uses them is
	// found out elsewhere as long as the task is not running; if it is, at the same moment, Go's
	// runtime ends the program when the goroutine tries to switch ("coro: got thread ..."), unless
	// that panics before, over what both of them change; and a Send or Recv with the Task as
	// context that does not have to wait goes unnoticed. Always on under the race detector.
	Check bool
}

func (o *Options) complete() error {
	if o.Name == "" {
		o.Name = "coro"
	}
	if o.Context == nil {
		o.Context = context.Background()
	}
	if o.Budget < 0 {
		return fmt.Errorf("coro: Options.Budget is %d: want at least 1, or 0 for 32", o.Budget)
	}
	if o.Budget == 0 {
		o.Budget = 32
	}
	if o.Spin < 0 || o.Spin > time.Millisecond {
		return fmt.Errorf("coro: Options.Spin is %v: want 0 to 1 ms", o.Spin)
	}
	switch {
	case o.IdleWorkers == 0:
		o.IdleWorkers = 1024
	case o.IdleWorkers < 0:
		o.IdleWorkers = 0
	}
	if o.HogLimit == 0 {
		o.HogLimit = 100 * time.Millisecond
	}
	if o.HogLimit > 0 && o.HogLimit < time.Millisecond {
		return errors.New("coro: Options.HogLimit is below 1 ms")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}
