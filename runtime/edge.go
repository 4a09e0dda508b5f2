package runtime

import "github.com/weirgo/weir/internal/sys"

// A poll may end at once, and the operation find nothing all the same: an error stands in a
// socket's error queue, say, and POLLERR is up until a program reads it there. Where that happens
// the loop waits for changes in place of states, and tries the operation again after each. A send
// whose socket has room pauses instead: what a datagram waits for may be room at its receiver, whose
// changes do not show at the sender. So does a splice on a backend that sees to all others by itself.

// pauses reports whether an operation that polled in vain pauses, and does not wait for changes.
func (l *Loop) pauses(s *slot) bool {
	if pollFirst(&s.c.Op) == pollOut {
		return !l.partial || !s.sub.noRoom
	}
	return !l.partial && twoEnds(s.c.Op.Code)
}

// waitForEdge has an operation tried again when something changes at its descriptor. What is there when
// the watch begins counts as a change, so nothing is missed.
func (l *Loop) waitForEdge(s *slot) {
	edge, ok := l.edges[s]
	if !ok {
		var errno sys.Errno
		if edge, errno = l.edgeFor(s); errno != 0 { // no descriptor is to be had, or that one cannot be watched
			s.c.tries++
			l.call(s, true)
			return
		}
		if l.edges == nil {
			l.edges = make(map[*slot]sys.Edge)
		}
		l.edges[s] = edge
	}
	s.sub.polls = 1
	l.pollEnd(s, edge.FD, pollIn)
}

// edgeFor watches what an operation waits for.
func (l *Loop) edgeFor(s *slot) (sys.Edge, sys.Errno) {
	if !twoEnds(s.c.Op.Code) {
		return sys.WatchEdges(s.c.fd(), pollFirst(&s.c.Op))
	}
	from, to := s.c.Op.Args.FD, s.c.fd()
	edge, errno := sys.WatchEdges(from, pollIn)
	if errno != 0 { // a regular file, say
		return sys.WatchEdges(to, pollOut)
	}
	edge.Add(to, pollOut)
	return edge, 0
}

// noteEdges is called when the poll of an operation is over.
func (l *Loop) noteEdges(s *slot) {
	if edge, ok := l.edges[s]; ok {
		edge.Take()
	}
}

// unwatch ends the watch for an operation that is over.
func (l *Loop) unwatch(s *slot) {
	if edge, ok := l.edges[s]; ok {
		edge.Close()
		delete(l.edges, s)
	}
}
