package uring

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// Register puts r into the ring's table of buffers, and makes the table if there is none yet (Linux
// 5.19).
func (b *Backend) Register(r *backends.Region) error {
	if r.Index < 0 || r.Index >= backends.MaxRegions {
		return fmt.Errorf("io_uring: no place %d for registered buffers", r.Index)
	}
	if b.regions == nil {
		b.counters.others.Add(1)
		if err := sys.MakeBufferTable(b.ring.FD(), backends.MaxRegions); err != nil {
			return err
		}
		b.regions = make([]*backends.Region, backends.MaxRegions)
	}
	if b.regions[r.Index] == r {
		return nil
	}
	b.counters.others.Add(1)
	if err := sys.SetBuffer(b.ring.FD(), r.Index, r.Mem); err != nil {
		return err
	}
	b.regions[r.Index] = r
	return nil
}

// Unregister clears the table entry of r, if it has one. No operation on r may be queued.
func (b *Backend) Unregister(r *backends.Region) {
	if b.regions == nil || b.regions[r.Index] != r {
		return
	}
	b.counters.others.Add(1)
	b.regions[r.Index] = nil
	// If this fails the pages stay pinned until the entry is used again or the ring is closed. No
	// operation uses them.
	_ = sys.SetBuffer(b.ring.FD(), r.Index, nil)
}

// fix makes e a read or write of registered memory, if this ring knows the buffer.
func (b *Backend) fix(e *sys.SQE, op *backends.Op) {
	r := op.Args.Region
	if r == nil || op.Plain || op.Flags&unix.RWF_ATOMIC != 0 || // which the kernel supports for plain memory only
		r.Index >= len(b.regions) || b.regions[r.Index] != r || !r.Holds(op.Buf) {
		return
	}
	e.BufIndex = uint16(r.Index)
	if op.Code == backends.OpWrite {
		e.Opcode = sys.OpWriteFixed
	} else {
		e.Opcode = sys.OpReadFixed
	}
}
