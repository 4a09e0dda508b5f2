package runtime

import (
	"slices"

	"github.com/weirgo/weir/backends"
)

// slot is one entry of the table of operations in flight. It holds its own copy of the Op. So
// whatever happens to the caller's Completion, everything that the kernel may touch stays
// referenced until the terminal event.
//
// In a free slot rec.ID holds the next slot of the free list and the last generation of this slot.
type slot struct {
	rec backends.Completion // the backend's view; its address is stable
	c   *Completion         // nil: free
	sub stand               // see stand
}

// gone marks the slots of operations that ended because their backend failed, and that stay taken:
// see lose.
var gone Completion

const (
	chunkBits = 8
	chunkLen  = 1 << chunkBits

	// spareChunks is how many empty chunks a table keeps.
	spareChunks = 16
)

// chunk is a group of slots that are allocated and freed together. Operations that the loop does by
// itself, such as timers, have chunks of their own: a close searches only the chunks of the others.
type chunk struct {
	slots      [chunkLen]slot
	n          int    // its index in the table
	free       uint32 // first free slot in it, plus 1; 0: none
	live       int
	kind       int
	prev, next *chunk // links of the list of chunks of its kind that have a free slot
}

const (
	forBackend = iota
	ofLoop
	kinds
)

// slots is the slot table. It grows and shrinks by chunks, so that slots never move.
type slots struct {
	chunks []*chunk      // nil: let go
	holes  []int         // indexes of those; indexes beyond the table's end are stale
	room   [kinds]*chunk // the chunks with a free slot
	spare  int           // chunks that are empty
	gen    uint32        // the newest generation of the chunks that were freed; later chunks begin with it
	live   int
	// tells the backend of a chunk that was let go; nil: it does not want to know
	shrink func(first, n uint32, live int)
	// there was no room for another chunk, and some have operations of both kinds
	mixed bool
}

func (t *slots) at(i uint32) *slot { return &t.chunks[i>>chunkBits].slots[i&(chunkLen-1)] }

// take returns a free slot with a new generation.
func (t *slots) take(c *Completion) *slot {
	kind := forBackend
	if c.Op.Code.OfLoop() {
		kind = ofLoop
	}
	k := t.room[kind]
	if k == nil {
		k = t.grow(kind)
	}
	i := k.free - 1
	s := &k.slots[i]
	if k.free = s.rec.ID.Slot(); k.free == 0 {
		t.leave(k)
	}
	if k.live++; k.live == 1 {
		t.spare--
	}
	t.live++
	s.c = c
	t.renew(s, uint32(k.n)<<chunkBits|i)
	return s
}

// enter puts k among the chunks with a free slot; leave takes it out.
func (t *slots) enter(k *chunk) {
	k.prev, k.next = nil, t.room[k.kind]
	if k.next != nil {
		k.next.prev = k
	}
	t.room[k.kind] = k
}

func (t *slots) leave(k *chunk) {
	if k.prev == nil {
		t.room[k.kind] = k.next
	} else {
		k.prev.next = k.next
	}
	if k.next != nil {
		k.next.prev = k.prev
	}
	k.prev, k.next = nil, nil
}

func (t *slots) grow(kind int) *chunk {
	k := &chunk{n: len(t.chunks), kind: kind}
	for h := len(t.holes) - 1; h >= 0; h-- {
		hole := t.holes[h]
		t.holes = t.holes[:h]
		if hole < len(t.chunks) && t.chunks[hole] == nil {
			k.n = hole
			break
		}
	}
	if uint32(k.n)<<chunkBits >= backends.MaxSlots {
		if k = t.room[1-kind]; k == nil {
			panic("weir: slot table full") // Loop.limit and Loop.apart together do not exceed MaxSlots
		}
		t.mixed = true
		return k
	}
	if k.n == len(t.chunks) {
		t.chunks = append(t.chunks, k)
	} else {
		t.chunks[k.n] = k
	}
	for i := chunkLen - 1; i >= 0; i-- {
		k.slots[i].rec.ID, k.free = backends.MakeID(k.free, t.gen), uint32(i)+1
	}
	t.spare++
	t.enter(k)
	return k
}

// renew gives a slot in use a new generation: events of the old generation no longer concern it.
func (t *slots) renew(s *slot, i uint32) {
	gen := s.rec.ID.Gen() + 1
	if gen == 0 { // generations start at 1
		gen = 1
	}
	s.rec.ID = backends.MakeID(i, gen)
	s.c.id = s.rec.ID
}

// lookup returns the operation that id names, or nil if that is over.
func (t *slots) lookup(id backends.ID) *slot {
	i := id.Slot()
	if int(i>>chunkBits) >= len(t.chunks) || t.chunks[i>>chunkBits] == nil {
		return nil
	}
	s := t.at(i)
	if s.c == nil || s.rec.ID != id {
		return nil
	}
	return s
}

// put frees a slot and drops its references to what the operation pointed to.
func (t *slots) put(s *slot) {
	i := s.rec.ID.Slot()
	k := t.chunks[i>>chunkBits]
	s.rec.ID = backends.MakeID(k.free, s.rec.ID.Gen())
	s.rec.Op = backends.Op{}
	s.sub = stand{}
	s.c = nil
	if k.free == 0 {
		t.enter(k)
	}
	k.free = i&(chunkLen-1) + 1
	t.live--
	if k.live--; k.live == 0 {
		if t.spare++; t.spare > spareChunks {
			t.letGo(k)
		}
	}
}

// letGo frees the memory of an empty chunk.
func (t *slots) letGo(k *chunk) {
	for i := range k.slots {
		t.gen = max(t.gen, k.slots[i].rec.ID.Gen())
	}
	t.leave(k)
	t.spare--
	t.chunks[k.n] = nil
	if t.shrink != nil && (k.kind == forBackend || t.mixed) {
		t.shrink(uint32(k.n)<<chunkBits, chunkLen, t.live)
	}
	if t.holes = append(t.holes, k.n); k.n < len(t.chunks)-1 {
		return
	}
	for len(t.chunks) > 0 && t.chunks[len(t.chunks)-1] == nil {
		t.chunks = t.chunks[:len(t.chunks)-1]
	}
	if cap(t.chunks) > 4*len(t.chunks)+spareChunks {
		t.chunks = slices.Clone(t.chunks)
		beyond := func(n int) bool { return n >= len(t.chunks) }
		t.holes = slices.Clone(slices.DeleteFunc(t.holes, beyond))
	}
}

// each calls f for every operation in flight that a backend has, or may have.
func (t *slots) each(f func(*slot)) { t.search(f, false) }

// all is each, but includes the operations that the loop does by itself.
func (t *slots) all(f func(*slot)) { t.search(f, true) }

// search goes from the newest operation to the oldest, as far as indexes tell. A kernel that looks
// for an operation to cancel searches in that order.
func (t *slots) search(f func(*slot), all bool) {
	for _, k := range slices.Backward(t.chunks) {
		if k == nil || k.live == 0 || k.kind == ofLoop && !all && !t.mixed {
			continue
		}
		for i := range k.slots {
			s := &k.slots[len(k.slots)-1-i]
			if c := s.c; c != nil && c != &gone {
				f(s)
			}
		}
	}
}
