package runtime

import (
	"errors"
	"fmt"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/fixed"
	"github.com/weirgo/weir/internal/sys"
)

// FixedFile is an open file that the kernel knows in advance where it can.
type FixedFile = fixed.File

// RegisterFile makes a FixedFile of the file that fd refers to. Every loop registers it with its
// backend; a loop that starts later does so when it starts. If a loop cannot register it, the
// FixedFile still works: FixedFile.Registered tells. The FixedFile has a descriptor of its own; the
// caller keeps fd, and must keep it open until RegisterFile returns. RegisterFile waits for the
// loops, so callbacks must not call it.
//
// It fails with [ErrClosed], EBADF, EMFILE, or errors.ErrUnsupported on systems whose operations do
// not use descriptors.
func (r *Runtime) RegisterFile(fd int) (*FixedFile, error) {
	r.mustBeMade()
	if r.Closed() {
		return nil, ErrClosed
	}
	own, err := r.dupFD(fd)
	if err != nil {
		return nil, err
	}
	f, full := r.files.take(backends.MaxFiles, func(index int) *FixedFile {
		return fixed.NewFile(index, own, r.stopFile, r.unregisterFile)
	})
	if full {
		fixed.FailFile(f, fmt.Errorf("weir: %d files are registered already: %w", backends.MaxFiles, sys.EMFILE))
		return f, nil
	}
	// A loop that starts now finds f in the list, or is among the workers here, or both.
	workers, err := r.workers()
	if err != nil {
		fixed.FailFile(f, err)
	}
	for _, l := range workers {
		if !l.inLoop(func() { l.registerFileHere(f) }) {
			fixed.FailFile(f, ErrClosed)
		}
	}
	return f, nil
}

// registered returns what loops that start must register.
func (r *Runtime) registered() ([]*Buffers, []*FixedFile) { return r.regions.list(), r.files.list() }

// registerFileHere makes the loop register f, or records why it cannot. It runs on the loop's
// thread, between ticks.
func (l *Loop) registerFileHere(f *FixedFile) {
	b, ok := l.be.(backends.FileRegistrar)
	switch {
	case !ok:
		fixed.FailFile(f, fmt.Errorf("weir: backend %s registers no files: %w", l.be.Name(), errors.ErrUnsupported))
	case l.finished():
		fixed.FailFile(f, ErrClosed)
	default:
		if err := b.RegisterFile(fixed.FileOf(f)); err != nil {
			fixed.FailFile(f, fmt.Errorf("weir: registering a file with %s: %w", l.be.Name(), err))
		}
	}
}

// stopFile ends the operations in flight on f. Operations that start from now on end by themselves:
// see startable.
func (r *Runtime) stopFile(f *FixedFile) {
	file := fixed.FileOf(f)
	for _, l := range r.loops() {
		l.inLoop(func() {
			l.slots.each(func(s *slot) {
				if a := s.c.Op.Args; a != nil && a.File == file && s.c.id == s.rec.ID {
					l.stop(s.c, causeFileClosed)
				}
			})
		})
	}
}

// unregisterFile ends a file on which nothing is in flight.
func (r *Runtime) unregisterFile(f *FixedFile) error {
	file := fixed.FileOf(f)
	if file.Index < backends.MaxFiles {
		r.files.leave(file.Index)
		for _, l := range r.loops() {
			if b, ok := l.be.(backends.FileRegistrar); ok {
				l.inLoop(func() {
					if !l.finished() {
						b.UnregisterFile(file)
					}
				})
			}
		}
		r.files.vacate(file.Index) // no loop has it any more
	}
	if d, ok := r.descriptors(); ok {
		return d.CloseFD(file.FD)
	}
	return sys.CloseDup(file.FD)
}

func (r *Runtime) dupFD(fd int) (int, error) {
	if d, ok := r.descriptors(); ok {
		return d.DupFD(fd)
	}
	return sys.Dup(fd)
}

// descriptors returns the descriptor table of a backend that does not use the system's.
func (r *Runtime) descriptors() (backends.Descriptors, bool) {
	d, ok := r.loops()[0].be.(backends.Descriptors)
	return d, ok
}
