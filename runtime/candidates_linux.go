package runtime

import (
	"errors"
	"fmt"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/epoll"
	"github.com/weirgo/weir/backends/uring"
)

// candidates are the backends, in order of preference.
var candidates = []candidate{
	{name: "io_uring", open: openURing, onThread: true},
	{name: "epoll", open: openEpoll},
	{name: "portable", open: openPortable},
}

func openURing(o *Options, _ bool) (backends.Backend, error) {
	if goos, _ := osArch(); !mayProbe(goos) {
		return nil, errAndroid
	}
	b, err := uring.Open(uring.Config{
		Entries:   uint32(o.QueueEntries),
		CQEntries: uint32(o.CompletionEntries),
		Workers:   uint32(o.KernelWorkers),
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func openEpoll(o *Options, _ bool) (backends.Backend, error) {
	b, err := epoll.Open(epoll.Config{Workers: o.KernelWorkers})
	if err != nil {
		return nil, err
	}
	return b, nil
}

var errAndroid = fmt.Errorf("io_uring: not tried, because Android ends programs that do: %w", errors.ErrUnsupported)

// mayProbe reports whether io_uring_setup(2) may be called to see whether it works. Android's
// seccomp filter answers the call with SIGSYS, which ends the process.
func mayProbe(goos string) bool { return goos != "android" }
