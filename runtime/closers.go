package runtime

import (
	"sync/atomic"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
)

// closer is an OpClose with CloseAll that waits for what was in flight on its descriptor, or one of another loop that does.
type closer struct {
	s     *slot         // nil: the close is on another loop
	over  func()        // which is told then
	ids   []backends.ID // on this loop
	peers *atomic.Int32 // how many other loops still have something; nil: they are not asked
}

// closeAll ends what is in flight on the descriptor of s, which is an OpClose, on all loops of the Runtime, and has it
// wait for that. Without it a pending operation would go on, on a file that has no descriptor any more, and keep it open.
func (l *Loop) closeAll(s *slot) {
	w := closer{s: s, ids: l.endOn(s.rec.FD, s)}
	if l.peers != nil {
		w.peers = new(atomic.Int32)
		for _, p := range l.peers() {
			if p != l {
				w.peers.Add(1)
				bubble.Go(func() { p.sweep(s.c, s.rec.FD, w.peers) })
			}
		}
	}
	l.closers = append(l.closers, w)
}

// endOn asks for the end of what is in flight on fd, but for but, and returns what that is.
func (l *Loop) endOn(fd int, but *slot) (ids []backends.ID) {
	l.slots.each(func(o *slot) {
		if o != but && o.c.id == o.rec.ID && uses(o.c, fd) {
			ids = append(ids, o.rec.ID)
			l.stop(o.c, causeFileClosed)
		}
	})
	return ids
}

// sweep does on a peer what a close on another loop needs: it ends what is in flight on fd, and tells when it is over. It
// needs no room in the peer: one that is full is swept, too.
func (l *Loop) sweep(closing *Completion, fd int, left *atomic.Int32) {
	asked := l.inLoop(func() {
		if l.drive == driveScheduler {
			l.takeIntake() // what was submitted before the close is to be found
		}
		l.closers = append(l.closers, closer{ids: l.endOn(fd, nil), over: func() {
			left.Add(-1)
			closing.nudgeFrom(l)
		}})
	})
	if !asked { // it has ended, and all that was in flight with it
		left.Add(-1)
		closing.nudge()
	}
}

// tryClosers goes on with the closes that have nothing to wait for any more.
func (l *Loop) tryClosers() {
	kept := l.closers[:0]
	for _, w := range l.closers {
		for len(w.ids) > 0 && (l.lost != nil || l.slots.lookup(w.ids[0]) == nil) {
			w.ids = w.ids[1:]
		}
		switch {
		case len(w.ids) > 0 || w.peers != nil && w.peers.Load() > 0 && l.lost == nil:
			kept = append(kept, w)
		case w.s == nil:
			w.over()
		case l.lost != nil: // it has been told
		case w.s.c.cause != causeNone:
			l.finish(w.s, -int32(sys.ECANCELED))
		default:
			l.batch = append(l.batch, &w.s.rec)
		}
	}
	clear(l.closers[len(kept):])
	l.closers = kept
}

// uses reports whether an operation works on a descriptor, and is not about to close it.
func uses(c *Completion, fd int) bool {
	switch op := &c.Op; op.Code {
	case backends.OpRead, backends.OpWrite, backends.OpReadv, backends.OpWritev, backends.OpRecv, backends.OpSend,
		backends.OpRecvMsg, backends.OpSendMsg, backends.OpSendZC, backends.OpSendMsgZC, backends.OpAccept,
		backends.OpConnect, backends.OpPoll:
		return c.fd() == fd
	case backends.OpSplice, backends.OpTee:
		return c.fd() == fd || op.Args.FD == fd
	}
	return false
}
