package uring

import "slices"

// minKept is how much of each table is kept in any case.
const minKept = 4096

// Shrink lets go of what the kernel needed besides the memory of operations, and of what is known
// of their polls.
func (b *Backend) Shrink(first, n uint32, _ int) {
	for slot := int(first); slot < int(first+n) && slot < len(b.scratch); slot++ {
		b.scratch[slot] = nil
	}
	for slot := int(first); slot < int(first+n) && slot < len(b.polls.at); slot++ {
		b.polls.at[slot] = poll{}
	}
	for len(b.scratch) > 0 && b.scratch[len(b.scratch)-1] == nil {
		b.scratch = b.scratch[:len(b.scratch)-1]
	}
	at := b.polls.at
	for len(at) > 0 && at[len(at)-1].c == nil {
		at = at[:len(at)-1]
	}
	b.scratch, b.polls.at = fit(b.scratch), fit(at)
	if len(b.polls.watch) == 0 { // a map does not shrink
		b.polls.watch = nil
	}
}

// fit lets go of the room of a list that was far longer.
func fit[T any](list []T) []T {
	if cap(list) <= minKept+4*len(list) {
		return list
	}
	return slices.Clone(list)
}
