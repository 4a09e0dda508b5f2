package uring

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// selfTest does once what every loop needs and for which a ring has no substitute: a NOP, a poll
// and a cancel. All must complete within a second.
func (b *Backend) selfTest() error {
	essential := []struct {
		name   string
		encode func(e *sys.SQE, userData uint64)
		want   int32
	}{
		{"NOP", func(e *sys.SQE, id uint64) { e.Opcode, e.Fd, e.UserData = sys.OpNop, -1, id }, 0},
		{"POLL_ADD", func(e *sys.SQE, id uint64) {
			e.Opcode, e.Fd, e.UserData, e.OpFlags = sys.OpPollAdd, int32(b.wake.fd), id, pollMask(unix.POLLOUT)
		}, unix.POLLOUT},
		{"ASYNC_CANCEL", func(e *sys.SQE, id uint64) {
			encodeCancel(e, uint64(backends.MakeID(slotProbe, ^uint32(0))), id)
		}, -int32(unix.ENOENT)},
	}
	deadline := b.Now() + int64(time.Second)
	for i, op := range essential { // one after the other, because the queue may have room for one only
		id := backends.MakeID(slotProbe, uint32(i))
		op.encode(b.sqe(), uint64(id))
		res, err := b.await(id, deadline)
		if err != nil {
			return err
		}
		if res != op.want {
			return fmt.Errorf("io_uring: %s does not work here (%w): a filter denies it", op.name,
				syscall.Errno(max(-res, 0)))
		}
	}
	return nil
}

// await enters the ring until the entry id has completed. Nothing else is in flight.
func (b *Backend) await(id backends.ID, deadline int64) (int32, error) {
	for b.Now() < deadline {
		if _, errno := b.enter(true, deadline); errno != 0 {
			return 0, explain(fmt.Errorf("io_uring_enter: %w", errno))
		}
		for n := b.ring.CQReady(); n > 0; n-- {
			cqe := *b.ring.CQE(0)
			b.ring.CQAdvance(1)
			if cqe.UserData == uint64(id) {
				return cqe.Res, nil
			}
		}
	}
	return 0, errors.New("io_uring: the self-test got no completion within a second")
}

// deny makes the kernel refuse what Config.Deny, DenyFlags and DenyTables say.
func (b *Backend) deny() error {
	registers := []uint8{sys.RegisterEnableRings, sys.RegisterIOWQMaxWorkers}
	if !b.cfg.DenyTables {
		registers = append(registers, sys.RegisterBuffers2, sys.RegisterBuffersUpdate, sys.RegisterFiles,
			sys.RegisterFilesUpdate)
	}
	b.counters.others.Add(1)
	return sys.Restrict(b.ring.FD(), b.cfg.Deny, ^b.cfg.DenyFlags, registers)
}
