package runtime

import (
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// closer is an OpClose with CloseAll that waits for what was in flight on its descriptor.
type closer struct {
	s   *slot
	ids []backends.ID
}

// closeAll ends what the loop has in flight on the descriptor of s, which is an OpClose, and has that wait for it.
// Without it a pending operation would go on, on a file that has no descriptor any more, and keep it open.
func (l *Loop) closeAll(s *slot) {
	w := closer{s: s}
	l.slots.each(func(o *slot) {
		if o != s && o.c.id == o.rec.ID && uses(&o.c.Op, s.rec.FD) {
			w.ids = append(w.ids, o.rec.ID)
			l.stop(o.c, causeFileClosed)
		}
	})
	l.closers = append(l.closers, w)
}

// tryClosers hands over the closes that have nothing to wait for any more.
func (l *Loop) tryClosers() {
	kept := l.closers[:0]
	for _, w := range l.closers {
		for len(w.ids) > 0 && l.slots.lookup(w.ids[0]) == nil {
			w.ids = w.ids[1:]
		}
		if len(w.ids) > 0 && l.lost == nil {
			kept = append(kept, w)
			continue
		}
		if c := w.s.c; c.cause == causeNone {
			l.batch = append(l.batch, &w.s.rec)
		} else if l.lost == nil {
			l.finish(w.s, -int32(sys.ECANCELED))
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
