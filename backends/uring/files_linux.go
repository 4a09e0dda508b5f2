package uring

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// RegisterFile puts f into the ring's table of files, and makes the table if there is none yet. The
// table is smaller than MaxFiles if RLIMIT_NOFILE is.
func (b *Backend) RegisterFile(f *backends.File) error {
	if b.files == nil {
		n := backends.MaxFiles
		var limit unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
			n = int(min(uint64(n), limit.Cur))
		}
		b.counters.others.Add(1)
		if err := sys.MakeFileTable(b.ring.FD(), n); err != nil {
			return err
		}
		b.files = make([]*backends.File, n)
	}
	if f.Index < 0 || f.Index >= len(b.files) {
		return fmt.Errorf("io_uring: no place %d in a table of %d registered files: %w", f.Index, len(b.files),
			syscall.EMFILE)
	}
	if b.files[f.Index] == f {
		return nil
	}
	b.counters.others.Add(1)
	if err := sys.SetFile(b.ring.FD(), f.Index, f.FD); err != nil {
		return err
	}
	b.files[f.Index] = f
	return nil
}

// UnregisterFile clears the table entry of f, if it has one. No operation on f may be queued.
func (b *Backend) UnregisterFile(f *backends.File) {
	if f.Index >= len(b.files) || b.files[f.Index] != f {
		return
	}
	b.counters.others.Add(1)
	b.files[f.Index] = nil
	// If this fails the file stays open until the entry is used again or the ring is closed. No
	// operation uses it.
	_ = sys.SetFile(b.ring.FD(), f.Index, -1)
}

// fixFile makes e an operation on a registered file, if this ring knows the file.
func (b *Backend) fixFile(e *sys.SQE, op *backends.Op) {
	f := op.Args.File
	if f == nil || op.Plain || f.Index >= len(b.files) || b.files[f.Index] != f || !op.TakesFile() {
		return
	}
	e.Fd = int32(f.Index)
	e.Flags |= sys.SQEFixedFile
}
