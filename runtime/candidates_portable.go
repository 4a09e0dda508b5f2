package runtime

import (
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/portable"
)

func openPortable(o *Options, thread bool) (backends.Backend, error) {
	return portable.Open(portable.Config{Entries: o.QueueEntries, Workers: o.KernelWorkers, Thread: thread})
}
