package epoll

import "slices"

// minKept is how much of each table is kept in any case.
const minKept = 4096

// Shrink lets go of entries, of room in lists, and of what is known of descriptors for which
// nothing is in flight.
func (b *Backend) Shrink(first, n uint32, live int) {
	for chunk := first >> chunkBits; chunk < (first+n)>>chunkBits && int(chunk) < len(b.entries); chunk++ {
		b.entries[chunk] = nil
	}
	b.entries = trim(b.entries)
	b.queued, b.cancels, b.out, b.unarmed = fit(b.queued), fit(b.cancels), fit(b.out), fit(b.unarmed)
	if b.known > minKept+4*live { // the others are three quarters at least, so that all sweeps together cost little
		b.sweep()
	}
}

// trim cuts off what is nil at the end of a table.
func trim[T any](table []*T) []*T {
	for len(table) > 0 && table[len(table)-1] == nil {
		table = table[:len(table)-1]
	}
	return fit(table)
}

// fit lets go of the room of a list that was far longer.
func fit[T any](list []T) []T {
	if cap(list) <= minKept+4*len(list) {
		return list
	}
	return slices.Clone(list)
}

// sweep forgets descriptors for which nothing is in flight. Most are closed. One that is not may
// still be in the epoll instance: the next that waits on it finds that out (EEXIST), and events
// that come before that are of no registration.
func (b *Backend) sweep() {
	for p, page := range b.descs {
		if page == nil {
			continue
		}
		left := 0
		for i, d := range page {
			switch {
			case d == nil:
			case b.drop(d):
				page[i] = nil
			default:
				left++
			}
		}
		if left == 0 {
			b.descs[p] = nil
		}
	}
	b.descs = trim(b.descs)
	for fd, d := range b.far {
		if b.drop(d) {
			delete(b.far, fd)
		}
	}
	if len(b.far) == 0 {
		b.far = nil
	}
}

// drop forgets d if nothing needs it, and reports whether it has.
func (b *Backend) drop(d *desc) bool {
	if d.todo || d.close != nil || d.busy > 0 || d.multi > 0 || d.polls.head != nil || d.files.head != nil ||
		d.held.head != nil {
		return false
	}
	for w := range d.wait {
		if d.wait[w].head != nil {
			return false
		}
	}
	if d.keeps { // it would go on to wake the loop
		b.forget(d)
	}
	b.known--
	return true
}
