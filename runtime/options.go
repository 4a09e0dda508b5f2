package runtime

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/weirgo/weir/backends"
)

// Options configure a Runtime or a Loop. The zero value is good.
type Options struct {
	// Backend names the backend to take: "io_uring", "epoll" or "portable". If it cannot start,
	// [New] fails and says why. Of several names, separated by commas, the first that works is
	// taken. A name with a minus sign in front ("-io_uring") is excluded. Empty: the first that
	// works of all.
	Backend string

	// Loops is the number of loops of each drive. Handles are spread over them. 0: one for each
	// four of GOMAXPROCS. At most 256.
	Loops int

	// Drive is how loops run for goroutines: "thread", on a locked OS thread that blocks in the
	// kernel; "scheduler", on the goroutines that submit and on Go's netpoller; "auto" or empty,
	// chosen for each operation by measured speed.
	Drive string

	// MaxInFlight is the most operations a loop has in flight, not counting sleepers. At the bound
	// goroutines wait for room until their context or deadline ends, or until the descriptor is
	// closed. 0: 1,048,576. At most 8,388,608, which also bounds the operations that wait for room
	// and the sleepers, taken together.
	MaxInFlight int

	// QueueEntries is the size of a loop's submission queue. More operations than that in one tick
	// take more system calls. It is rounded up to a power of two. 0: 256. At most 32,768. Backend:
	// io_uring.
	QueueEntries int

	// CompletionEntries is the size of a loop's completion queue. More completions than that at one
	// time take more system calls and end multishot operations, which are then armed again. It is
	// rounded up to a power of two. 0: 8 times QueueEntries. At most 65,536, and at least
	// QueueEntries. Backend: io_uring.
	CompletionEntries int

	// KernelWorkers bounds the threads that the kernel starts for a loop's operations that it can
	// neither do at once nor poll, for each of its two kinds of workers. On other backends it
	// bounds the goroutines that make such calls. 0: 64. Backends: io_uring on Linux 5.15 and
	// newer, epoll, portable.
	KernelWorkers int

	// PoolSize bounds the goroutines that run functions given to [Loop.Blocking]. 0: 64.
	PoolSize int

	// Logger gets one line when a backend was wanted but could not be had; nil: that is not logged.
	// It also gets panics of callbacks on loops of a Runtime, and panics of loops, with their
	// stacks; for these nil means slog.Default().
	Logger *slog.Logger

	// OpenBackend makes the backend of each loop instead of weir's own. thread says whether the
	// backend will be bound to a thread. It is for tests and for other backends.
	OpenBackend func(thread bool) (backends.Backend, error)
}

// maxRoom is the largest Options.MaxInFlight. The other slots are for operations that need no room
// or wait for it.
const maxRoom = backends.MaxSlots / 2

// The names of the drives.
const (
	DriveAuto      = "auto"
	DriveThread    = "thread"
	DriveScheduler = "scheduler"
)

func (o *Options) complete() error {
	bad := func(name string, v any, want string) error {
		return fmt.Errorf("weir: Options.%s is %v: want %s", name, v, want)
	}
	switch o.Drive {
	case "":
		o.Drive = DriveAuto
	case DriveAuto, DriveThread, DriveScheduler:
	default:
		return fmt.Errorf("weir: Options.Drive: %w",
			unknown("drive", o.Drive, []string{DriveAuto, DriveThread, DriveScheduler}))
	}
	var err error
	size := func(name string, v *int, zero, limit int) {
		if *v < 0 || *v > limit {
			err = errors.Join(err, bad(name, *v, fmt.Sprintf("0 to %d", limit)))
		}
		if *v == 0 {
			*v = zero
		}
	}
	size("Loops", &o.Loops, (procs()+3)/4, 256)
	size("MaxInFlight", &o.MaxInFlight, 1<<20, maxRoom)
	size("QueueEntries", &o.QueueEntries, 256, 1<<15)
	size("CompletionEntries", &o.CompletionEntries, min(8*o.QueueEntries, 1<<16), 1<<16)
	size("KernelWorkers", &o.KernelWorkers, 64, 1<<16)
	size("PoolSize", &o.PoolSize, 64, 1<<16)
	if err == nil && o.CompletionEntries < o.QueueEntries {
		err = bad("CompletionEntries", o.CompletionEntries, "at least QueueEntries")
	}
	return err
}
