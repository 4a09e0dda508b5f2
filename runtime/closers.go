package runtime

import (
	"sync/atomic"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
)

// closer is an OpClose with CloseAll that waits for the operations in flight on its descriptor, or
// a loop's part of such a close on another loop.
type closer struct {
	s     *slot         // nil: the close is on another loop
	over  func()        // called when the operations on this loop are over, if s is nil
	ids   []backends.ID // operations on this loop to wait for
	peers *atomic.Int32 // number of other loops that still have operations in flight; nil: they are not asked
}

// closeAll ends the operations in flight on the descriptor of s, which is an OpClose, on all loops
// of the Runtime, and makes s wait for that. Otherwise a pending operation would go on and keep
// open a file that has no descriptor any more.
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

// endOn asks for the end of all operations in flight on fd except but, and returns their IDs.
func (l *Loop) endOn(fd int, but *slot) (ids []backends.ID) {
	l.slots.each(func(o *slot) {
		if o != but && o.c.id == o.rec.ID && uses(o.c, fd) {
			ids = append(ids, o.rec.ID)
			l.stop(o.c, causeFileClosed)
		}
	})
	return ids
}

// sweep ends the operations in flight on fd on a peer loop, for a close on another loop, and
// decrements left when they are over. It takes no room in the peer, so it works on a full one too.
func (l *Loop) sweep(closing *Completion, fd int, left *atomic.Int32) {
	asked := l.inLoop(func() {
		if l.drive == driveScheduler {
			l.takeIntake() // operations submitted before the close must be found
		}
		l.closers = append(l.closers, closer{ids: l.endOn(fd, nil), over: func() {
			left.Add(-1)
			closing.nudgeFrom(l)
		}})
	})
	if !asked { // the peer has ended, and with it all its operations
		left.Add(-1)
		closing.nudge()
	}
}

// tryClosers continues the closes that have nothing left to wait for.
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
		case l.lost != nil: // lose has ended the operation
		case w.s.c.cause != causeNone:
			l.finish(w.s, -int32(sys.ECANCELED))
		default:
			l.batch = append(l.batch, &w.s.rec)
		}
	}
	clear(l.closers[len(kept):])
	l.closers = kept
}

// uses reports whether an operation works on a descriptor and is not a close of it.
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
