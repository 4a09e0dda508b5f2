package runtime

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/weirgo/weir/backends"
)

// Options configure a Runtime or a Loop. The zero value is good.
type Options struct {
	// Backend names the backend to take: "io_uring", "epoll" or "portable". If it cannot start, New fails and
	// says why. Of several names, with commas between, the first that works is taken; names with a minus sign
	// in front ("-io_uring") are those that must not be. Empty: the first that works of all.
	Backend string

	// Loops is the number of loops of each drive that handles are spread over. 0: one for each four of
	// GOMAXPROCS. At most 256.
	Loops int

	// Drive is how loops run for goroutines: "thread", on a locked OS thread that blocks in the kernel;
	// "scheduler", on the goroutines that submit and on Go's netpoller; "auto" or empty, chosen for each
	// operation by what is measured to be faster.
	Drive string

	// MaxInFlight is the number of operations that a loop has in flight at most, sleepers not included; at the
	// bound goroutines wait for room, until their contexts end, or deadlines, or what they work on is closed. 0:
	// 1,048,576. At most 8,388,608. That is also how many may wait and sleep, taken together.
	MaxInFlight int

	// QueueEntries is the size of a loop's submission queue: more operations than that in one turn take more
	// system calls. Rounded up to a power of two. 0: 256. At most 32,768. Backend: io_uring.
	QueueEntries int

	// CompletionEntries is the size of a loop's completion queue. More completions than that at one time take
	// more system calls and end multishot operations, which are armed again. Rounded up to a power of two. 0: 8
	// times QueueEntries. At most 65,536, and at least QueueEntries. Backend: io_uring.
	CompletionEntries int

	// KernelWorkers bounds the threads the kernel starts for a loop's operations that it can neither do at once
	// nor poll, of each of its two kinds; or else the goroutines that a backend makes such calls on. 0: 64. Backends:
	// io_uring on Linux 5.15 and newer, epoll, portable.
	KernelWorkers int

	// PoolSize bounds the goroutines that run functions given to Loop.Blocking. 0: 64.
	PoolSize int

	// Logger gets one line when a backend was wanted but could not be had. Nil: that is not logged. It also gets the panics
	// of callbacks on loops of a Runtime, and those of loops, with their stacks; for these nil means slog.Default().
	Logger *slog.Logger

	// OpenBackend makes the backend of each loop, instead of those that weir brings. thread says whether it
	// will be bound to a thread. For tests and for backends of one's own.
	OpenBackend func(thread bool) (backends.Backend, error)
}

// maxRoom is the largest Options.MaxInFlight. The other slots are for what needs no room, or waits for it.
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
		return fmt.Errorf("weir: Options.Drive: %w", unknown("drive", o.Drive, []string{DriveAuto, DriveThread, DriveScheduler}))
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
