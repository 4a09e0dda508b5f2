//go:build unix && !aix

package portable

import (
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/bubble"
)

// workers are goroutines that make blocking system calls. At most max run; one that finds nothing
// to do ends. The Backend's mu guards them.
type workers struct {
	queue   list
	running int
	max     int
	work    func() // the method engine.work as a value made once, because making it allocates
}

// toWorker queues an operation for a worker. The caller holds mu.
func (e *engine) toWorker(r *record) {
	w := &e.workers
	r.at = atQueue
	w.queue.push(r)
	if w.running < w.max {
		w.running++
		bubble.GoIn(&e.wg, w.work)
	}
}

func (e *engine) work() {
	defer e.wg.Done()
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	for {
		r := e.workers.queue.pop()
		if r == nil {
			e.workers.running--
			return
		}
		r.at = atWorker
		e.b.mu.Unlock()
		e.b.syscalls.Add(1)
		res := perform(r)
		e.b.mu.Lock()
		if r.desc == nil {
			e.finish(r, res)
			continue
		}
		if res == -int32(unix.EAGAIN) {
			res = notYet // its mode has been changed meanwhile
		}
		r.at, r.res = atPoller, res
		e.returned.push(r)
		e.flush()
	}
}
