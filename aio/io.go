package aio

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/weirgo/weir/internal/bubble"
	aiort "github.com/weirgo/weir/runtime"
)

// Options configure an IO. The zero value is good: it takes the first backend that works.
type Options struct {
	// Backend names the backend to take: "io_uring", "epoll" or "portable". If it cannot start, New fails and
	// says why and what to do about it. Of several names, with commas between, the first that works is taken;
	// names with a minus sign in front ("-io_uring") are those that must not be. Empty: what the environment
	// variable WEIR_BACKEND says, which is written in the same way, or else the first that works of all.
	Backend string

	// Loops is the number of loops that connections and files are spread over. 0: one for each four of
	// GOMAXPROCS. At most 256.
	Loops int

	// Drive is how the loops run: "thread", on OS threads of their own; "scheduler", on the goroutines that
	// call and on Go's netpoller; "auto", what is measured to be faster, which includes doing the work in the
	// caller where a loop would bring nothing. Empty: what the environment variable WEIR_DRIVE says, or else
	// "auto".
	Drive string

	// Logger gets one line if the backend of choice could not be had, and one if the IO is dropped without Close.
	// Nil: nothing is logged.
	Logger *slog.Logger

	// MaxInFlight is the number of operations that a loop has in flight at most, sleepers not included; at the bound
	// calls wait for room, until their contexts or deadlines end, or what they work on is closed. 0: 1,048,576. At
	// most 8,388,608. That is also how many may wait and sleep, taken together.
	MaxInFlight int

	// QueueEntries and CompletionEntries are the sizes of a loop's two queues. They bound what one system call
	// carries, nothing else. 0: 256, and 8 times that. At most 32,768 and 65,536. Backend: io_uring.
	QueueEntries, CompletionEntries int

	// KernelWorkers bounds the kernel threads that do what can neither be done at once nor polled, of each of
	// their two kinds, for each loop; or else the goroutines that do it. 0: 64. Backends: io_uring, portable.
	KernelWorkers int

	// PoolSize bounds the goroutines that do what blocks: functions that coroutines give to their pool, and operations
	// that a backend cannot do. 0: 64.
	PoolSize int
}

// Info says what an IO runs on: see aiort.Info.
type Info = aiort.Info

// Stats are counters since the start: see aiort.Stats.
type Stats = aiort.Stats

// StuckError is what Shutdown returns when it ran out of time.
type StuckError = aiort.StuckError

// New starts an IO of one's own. It owns threads, descriptors and kernel memory until Close. An IO that is dropped
// without Close keeps them for good, and Options.Logger is told.
func New(o Options) (*IO, error) {
	environment := o.fromEnvironment()
	rt, err := aiort.New(aiort.Options{
		Backend: o.Backend, Loops: o.Loops, Drive: o.Drive, Logger: o.Logger,
		MaxInFlight: o.MaxInFlight, QueueEntries: o.QueueEntries, CompletionEntries: o.CompletionEntries,
		KernelWorkers: o.KernelWorkers, PoolSize: o.PoolSize,
	})
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, environment)
	}
	var io *IO
	bubble.Do(func() { io = newIO(rt) })
	if o.Logger != nil {
		io.dropped = runtime.AddCleanup(io, tellDropped, o.Logger)
	}
	return io, nil
}

// fromEnvironment fills in what the caller has left open, and says what that is.
func (o *Options) fromEnvironment() (said string) {
	for _, v := range []struct {
		name  string
		field *string
	}{{"WEIR_BACKEND", &o.Backend}, {"WEIR_DRIVE", &o.Drive}} {
		if value := os.Getenv(v.name); *v.field == "" && value != "" {
			*v.field = value
			said += fmt.Sprintf(" (%s=%s)", v.name, value)
		}
	}
	return said
}

// tellDropped says of an IO that is garbage that it has not been closed.
func tellDropped(log *slog.Logger) {
	log.Warn("weir: an IO was dropped without Close: " +
		"its threads, descriptors and kernel memory stay until the program ends")
}

// running returns the runtime of an IO that New has made.
func (io *IO) running() *aiort.Runtime {
	if io == nil || io.rt == nil {
		panic(notMade)
	}
	return io.rt
}

const notMade = "aio: use of an IO that is nil or zero: " +
	"New makes one, and Default is the one of the package's functions"

// mustContext refuses a nil context, as package net does.
func mustContext(ctx context.Context) {
	if ctx == nil {
		panic("aio: nil context")
	}
}

var (
	defaultMu sync.Mutex // who starts one holds it
	defaultIO atomic.Pointer[IO]
)

// Default returns the IO that the functions of this package use, starting it on first use. The environment
// variables WEIR_BACKEND and WEIR_DRIVE say which backend and drive it has, as for New. It panics if no backend can start, with the
// reason: a program that wants to decide for itself calls New. It is not meant to be closed; if it is, the next call
// starts another.
func Default() *IO {
	if io := defaultIO.Load(); io != nil && io.alive() == nil {
		return io
	}
	defaultMu.Lock()
	defer defaultMu.Unlock()
	if io := defaultIO.Load(); io != nil && io.alive() == nil {
		return io
	}
	io, err := New(Options{})
	if err != nil {
		panic("aio.Default: " + err.Error())
	}
	defaultIO.Store(io)
	return io
}

// alive reports why nothing can be started on the IO any more.
func (io *IO) alive() error {
	if io.running().Closed() {
		return aiort.ErrClosed
	}
	return nil
}

// Close is Shutdown without a limit of time.
func (io *IO) Close() error { return io.Shutdown(context.Background()) }

// Info says which backend runs and why, and on which drive.
func (io *IO) Info() Info { return io.running().Info() }

// Stats returns the counters of all loops. Package function: Default().Stats().
func (io *IO) Stats() Stats { return io.running().Stats() }
