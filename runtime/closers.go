package runtime

import (
	"sync/atomic"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// closer is an OpClose with CloseAll that waits for what was in flight on its descriptor.
type closer struct {
	s     *slot
	ids   []backends.ID // on this loop
	peers *atomic.Int32 // how many other loops still have something; nil: they are not asked
}

// closeAll ends what is in flight on the descriptor of s, which is an OpClose, on all loops of the Runtime, and has it
// wait for that. Without it a pending operation would go on, on a file that has no descriptor any more, and keep it open.
func (l *Loop) closeAll(s *slot) {
	w := closer{s: s}
	l.slots.each(func(o *slot) {
		if o != s && o.c.id == o.rec.ID && uses(&o.c.Op, s.rec.FD) {
			w.ids = append(w.ids, o.rec.ID)
			l.stop(o.c, causeFileClosed)
		}
	})
	if l.peers != nil && s.rec.Op.Flags&backends.CloseNothing == 0 {
		w.peers = new(atomic.Int32)
		for _, p := range l.peers() {
			if p != l {
				w.peers.Add(1)
				go p.sweep(s.c, s.rec.FD, w.peers)
			}
		}
	}
	l.closers = append(l.closers, w)
}

// sweep does on a peer what a close on another loop needs: it ends what is in flight on fd, and tells when it is over.
func (l *Loop) sweep(closing *Completion, fd int, left *atomic.Int32) {
	over := func(*Batch) {
		left.Add(-1)
		closing.nudge()
	}
	b := NewBatch()
	b.Add(&Completion{Op: backends.Op{Code: backends.OpClose, FD: fd, Flags: backends.CloseAll | backends.CloseNothing}})
	if err := l.SubmitBatch(b, over); err != nil { // it is closing, which ends everything; or it is full
		over(b)
	}
}

// tryClosers goes on with the closes that have nothing to wait for any more.
func (l *Loop) tryClosers() {
	kept := l.closers[:0]
	for _, w := range l.closers {
		for len(w.ids) > 0 && l.slots.lookup(w.ids[0]) == nil {
			w.ids = w.ids[1:]
		}
		switch c := w.s.c; {
		case l.lost != nil: // it has been told
		case len(w.ids) > 0 || w.peers != nil && w.peers.Load() > 0:
			kept = append(kept, w)
		case w.s.rec.Op.Flags&backends.CloseNothing != 0:
			l.finish(w.s, 0)
		case c.cause != causeNone:
			l.finish(w.s, -int32(sys.ECANCELED))
		default:
			l.batch = append(l.batch, &w.s.rec)
		}
	}
	clear(l.closers[len(kept):])
	l.closers = kept
}

// uses reports whether an operation works on a descriptor, and is not about to close it.
func uses(op *backends.Op, fd int) bool {
	switch op.Code {
	case backends.OpRead, backends.OpWrite, backends.OpReadv, backends.OpWritev, backends.OpRecv, backends.OpSend,
		backends.OpRecvMsg, backends.OpSendMsg, backends.OpSendZC, backends.OpSendMsgZC, backends.OpAccept,
		backends.OpConnect, backends.OpPoll:
		return op.FD == fd
	case backends.OpSplice, backends.OpTee:
		return op.FD == fd || op.Args.FD == fd
	}
	return false
}
