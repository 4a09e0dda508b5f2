package runtime

import (
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/uring"
)

// candidates in order of preference.
var candidates = []candidate{
	{"io_uring", func(o *Options, thread bool) (backends.Backend, error) {
		b, err := uring.Open(uring.Config{
			Entries:   uint32(o.QueueEntries),
			CQEntries: uint32(o.CompletionEntries),
			Workers:   uint32(o.KernelWorkers),
			Thread:    thread,
		})
		if err != nil {
			return nil, err
		}
		return b, nil
	}},
}
