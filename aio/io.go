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

// Options configure an [IO]. The zero value takes the first backend that works.
type Options struct {
	// Backend names the backend to take: "io_uring", "epoll" or "portable". If it cannot start,
	// [New] fails and says why and what to do about it. Of several names, separated by commas, the
	// first that works is taken. A name with a minus sign in front ("-io_uring") is excluded.
	// Empty: the value of the environment variable WEIR_BACKEND, in the same form, or else the
	// first that works of all.
	Backend string

	// Loops is the number of loops that connections and files are spread over. 0: one for each four
	// of GOMAXPROCS. At most 256.
	Loops int

	// Drive is how the loops run: "thread", on OS threads of their own; "scheduler", on the
	// goroutines that call and on Go's netpoller; "auto", chosen by measured speed, which includes
	// doing the work in the calling goroutine if a loop would bring nothing. Empty: the value of
	// the environment variable WEIR_DRIVE, or else "auto".
	Drive string

	// Logger gets one line if the preferred backend could not be had, and one if the IO is dropped
	// without Close. Nil: nothing is logged.
	Logger *slog.Logger

	// MaxInFlight is the most operations a loop has in flight, not counting sleepers. At the bound
	// calls wait for room until their context or deadline ends, or until the descriptor is closed.
	// 0: 1,048,576. At most 8,388,608, which also bounds the operations that wait for room and the
	// sleepers, taken together.
	MaxInFlight int

	// QueueEntries and CompletionEntries are the sizes of a loop's two queues. They only bound how
	// much one system call carries. 0: 256, and 8 times that. At most 32,768 and 65,536. Backend:
	// io_uring.
	QueueEntries, CompletionEntries int

	// KernelWorkers bounds, for each loop, the kernel threads that do operations which can neither
	// be done at once nor polled, for each of their two kinds; on other backends it bounds the
	// goroutines that do them. 0: 64. Backends: io_uring, epoll, portable.
	KernelWorkers int

	// PoolSize bounds the goroutines that make blocking calls: functions that coroutines give to
	// their pool, and operations that a backend cannot do. 0: 64.
	PoolSize int
}

// Info says what an [IO] runs on: see [aiort.Info].
type Info = aiort.Info

// Stats are counters since the start: see [aiort.Stats].
type Stats = aiort.Stats

// StuckError is what [IO.Shutdown] returns if its context ended first.
type StuckError = aiort.StuckError

// New starts an IO. It owns threads, descriptors and kernel memory until [IO.Close]. An IO that is
// dropped without Close keeps them for good, and Options.Logger gets a line.
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

// fromEnvironment fills in the options that the caller has left empty, and returns a text that says
// what it filled in.
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

// tellDropped logs that an IO is garbage and has not been closed.
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

// mustContext panics for a nil context, as package net does.
func mustContext(ctx context.Context) {
	if ctx == nil {
		panic("aio: nil context")
	}
}

var (
	defaultMu sync.Mutex // held while the default IO is started
	defaultIO atomic.Pointer[IO]
)

// Default returns the IO that the functions of this package use, and starts it on first use. The
// environment variables WEIR_BACKEND and WEIR_DRIVE choose its backend and drive, as for [New].
// Default panics if no backend can start, with the reason; a program that wants to handle that
// calls New. Programs need not close the IO. If one does, the next call of Default starts another.
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

// alive returns why nothing can be started on the IO any more, or nil.
func (io *IO) alive() error {
	if io.running().Closed() {
		return aiort.ErrClosed
	}
	return nil
}

// Close is [IO.Shutdown] without a time limit.
func (io *IO) Close() error { return io.Shutdown(context.Background()) }

// Info returns which backend runs and why, and on which drive.
func (io *IO) Info() Info { return io.running().Info() }

// Stats returns the sums of the counters of all loops. For the functions of this package call
// Default().Stats().
func (io *IO) Stats() Stats { return io.running().Stats() }
