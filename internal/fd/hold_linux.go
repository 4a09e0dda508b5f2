//go:build !weir_portable

package fd

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirgo/weir/internal/bubble"
)

// Operations of package op that are on a File or connection (op.Op.On) hold its descriptor: it
// stays open while they are in flight, and Close ends them. Few descriptors are held, so the holds
// are in a map here and not in the descriptor.
var holds struct {
	n  atomic.Int64
	mu sync.Mutex
	of map[*descriptor]map[*held]struct{}
}

// held is one operation that holds a descriptor.
type held struct{ end func() }

// Hold keeps the descriptor open until release is called. While it is being closed end is called
// again and again, until then.
func (h *FD) Hold(end func()) (fd int, release func(), err error) {
	if err := h.Acquire(); err != nil {
		return 0, nil, err
	}
	d, e := h.descriptor, &held{end}
	holds.mu.Lock()
	if holds.of == nil {
		holds.of = map[*descriptor]map[*held]struct{}{}
	}
	if holds.of[d] == nil {
		holds.of[d] = map[*held]struct{}{}
	}
	holds.of[d][e] = struct{}{}
	holds.n.Add(1)
	holds.mu.Unlock()
	release = func() {
		holds.mu.Lock()
		delete(holds.of[d], e)
		if len(holds.of[d]) == 0 {
			delete(holds.of, d)
		}
		holds.n.Add(-1)
		holds.mu.Unlock()
		h.Release()
	}
	if h.Closing() { // Close may not have seen it
		release()
		return 0, nil, h.ErrClosed()
	}
	return h.Sysfd, release, nil
}

// endHolds ends what holds the descriptor, which is being closed. An operation that is about to be
// submitted cannot be ended yet, so endHolds asks again.
func (d *descriptor) endHolds() {
	if holds.n.Load() == 0 || !d.endHeld() {
		return
	}
	bubble.Go(func() { // outside of the bubble, whose clock stands still while Close waits
		for pause := 100 * time.Microsecond; d.endHeld(); pause = min(2*pause, 10*time.Millisecond) {
			time.Sleep(pause)
		}
	})
}

// endHeld ends what holds the descriptor. It reports whether there was anything.
func (d *descriptor) endHeld() bool {
	holds.mu.Lock()
	var ends []func()
	for e := range holds.of[d] {
		ends = append(ends, e.end)
	}
	holds.mu.Unlock()
	for _, end := range ends {
		end()
	}
	return len(ends) > 0
}
