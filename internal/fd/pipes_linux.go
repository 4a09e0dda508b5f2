//go:build !weir_portable

package fd

import (
	"sync"

	"golang.org/x/sys/unix"
)

// pipes keeps the pipes that connections are spliced through for reuse. The zero value is empty and
// ready.
type pipes struct {
	mu     sync.Mutex
	idle   []pipeFDs
	closed bool
}

type pipeFDs struct{ r, w int }

const (
	maxIdlePipes = 16
	pipeSize     = 1 << 20 // bytes; the most that an unprivileged process may ask for by default
)

// get returns an empty pipe, non-blocking.
func (p *pipes) get() (pipeFDs, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		fds := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return fds, nil
	}
	p.mu.Unlock()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return pipeFDs{}, err
	}
	unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize) // if that fails it stays smaller
	return pipeFDs{fds[0], fds[1]}, nil
}

// put takes a pipe back. It closes one that is not empty.
func (p *pipes) put(fds pipeFDs, empty bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if empty && !p.closed && len(p.idle) < maxIdlePipes {
		p.idle = append(p.idle, fds)
		return
	}
	fds.close()
}

// close closes the idle pipes, and from then on every pipe that comes back.
func (p *pipes) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fds := range p.idle {
		fds.close()
	}
	p.idle, p.closed = nil, true
}

func (f pipeFDs) close() {
	unix.Close(f.r)
	unix.Close(f.w)
}
