package runtime

import (
	"errors"
	"fmt"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/fixed"
	"github.com/weirgo/weir/internal/sys"
)

// FixedFile is an open file that the kernel knows in advance, where it can.
type FixedFile = fixed.File

// RegisterFile makes a FixedFile of what fd refers to and has every loop register it with its backend; a loop that starts
// later does so when it starts. Where that cannot be done it works all the same: FixedFile.Registered tells. It has a
// descriptor of its own; fd stays the caller's, who keeps it open meanwhile. It waits for the loops: not for use in
// callbacks. Errors: ErrClosed; EBADF; EMFILE; errors.ErrUnsupported where operations do not work on descriptors.
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

// registered is what loops that start are to know.
func (r *Runtime) registered() ([]*Buffers, []*FixedFile) { return r.regions.list(), r.files.list() }

// registerFileHere has the loop know f, or notes why it cannot. It is for the loop's thread, between ticks.
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

// stopFile ends what is in flight on f. What starts from now on ends by itself: see startable.
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

// unregisterFile is the end of a file: nothing is in flight on it.
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
		r.files.vacate(file.Index) // when no loop has it any more
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

// descriptors are those of a backend that does not use the system's.
func (r *Runtime) descriptors() (backends.Descriptors, bool) {
	d, ok := r.loops()[0].be.(backends.Descriptors)
	return d, ok
}
