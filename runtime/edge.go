package runtime

import "github.com/weirgo/weir/internal/sys"

// A poll may end at once although the operation then finds nothing. For example POLLERR stays up
// while an error is in a socket's error queue, until a program reads it there. In that case the
// loop waits for changes (edges) instead of states, and tries the operation again after each. A
// send on a socket that has room pauses instead: a datagram may be waiting for room at its
// receiver, whose changes do not show at the sender. A splice also pauses, on a backend that does
// all other operations itself.

// pauses reports whether an operation that polled in vain pauses rather than waits for an edge.
func (l *Loop) pauses(s *slot) bool {
	if pollFirst(&s.c.Op) == pollOut {
		return !l.partial || !s.sub.noRoom
	}
	return !l.partial && twoEnds(s.c.Op.Code)
}

// waitForEdge tries the operation again when something changes at its descriptor. The state at the
// time the watch begins counts as a change, so nothing is missed.
func (l *Loop) waitForEdge(s *slot) {
	edge, ok := l.edges[s]
	if !ok {
		var errno sys.Errno
		if edge, errno = l.edgeFor(s); errno != 0 { // there is no free descriptor, or this one cannot be watched
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

// edgeFor watches the descriptor that an operation waits for.
func (l *Loop) edgeFor(s *slot) (sys.Edge, sys.Errno) {
	if !twoEnds(s.c.Op.Code) {
		return sys.WatchEdges(s.c.fd(), pollFirst(&s.c.Op))
	}
	from, to := s.c.Op.Args.FD, s.c.fd()
	edge, errno := sys.WatchEdges(from, pollIn)
	if errno != 0 { // a regular file, for example
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

// unwatch ends the watch of an operation that is over.
func (l *Loop) unwatch(s *slot) {
	if edge, ok := l.edges[s]; ok {
		edge.Close()
		delete(l.edges, s)
	}
}
