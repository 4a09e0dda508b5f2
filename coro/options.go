package coro

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirgo/weir/aio"
)

// Options configure a [Scheduler]. The zero value is ready to use.
type Options struct {
	// IO is where connections and files come from. The scheduler's loop has its backend, limits and
	// pool for blocking calls. Nil: aio.Default(). It must stay open as long as the scheduler.
	IO *aio.IO

	// Name is the name of the scheduler in reports and stack dumps. Empty: "coro".
	Name string

	// Context is where [Task.Value] looks values up. Nil: context.Background(). Its end has no
	// effect.
	Context context.Context

	// Budget is how many times tasks are resumed before the loop looks for completions again. 0:
	// 32. At least 1.
	Budget int

	// IdleWorkers is the number of idle coroutines of the Go runtime, each with its stack, that are
	// kept for later tasks. 0: 1,024. Negative: none.
	IdleWorkers int

	// Spin is how long a thread that has no task to run looks for events before it sleeps. It keeps
	// its processor (P) meanwhile, and does so only while that has paid of late. 20 to 50 us suit
	// peers that answer at once. It is for programs that do all their work in schedulers; other
	// goroutines get the P later. 0: not at all. At most 1 ms. Backend: io_uring.
	Spin time.Duration

	// HogLimit is how long a task may run without waiting before it is reported, once, as a [Hog].
	// 0: 100 ms; negative: never. The precision is about a quarter of it. There is at most one
	// report a second. A hog found in between is counted, and reported afterwards if it still runs.
	HogLimit time.Duration

	// OnHog gets the reports, on a goroutine of its own. Nil: they go to Logger.
	OnHog func(Hog)

	// OnPanic gets panics of detached tasks, on the loop's thread. Nil: they end the program, as
	// panics of goroutines do.
	OnPanic func(*PanicError)

	// Logger gets reports of hogs. Nil: slog.Default().
	Logger *slog.Logger

	// Check makes every call verify that a [Task] and its views are used by its coroutine alone,
	// although that may take one or more system calls each time. It is always on under the race
	// detector.
	//
	// Without Check the verification is exact on amd64 and arm64, and on every system for calls
	// that spawn, sleep or make views. Elsewhere a goroutine that misuses them is detected as long
	// as the task is not running. If the task runs at the same moment, Go's runtime ends the
	// program when the goroutine tries to switch ("coro: got thread ..."), unless the program
	// panics before, over data that both change. A Send or Recv that has the Task as context and
	// need not wait goes undetected.
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
