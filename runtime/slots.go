package runtime

import "github.com/weirgo/weir/backends"

// slot is one place in the table of operations in flight. It holds its own copy of the Op, so whatever becomes of
// the caller's Completion, everything the kernel may touch stays referenced until the terminal event.
//
// While it is free rec.ID is the next one of the free list, with the generation that this one had.
type slot struct {
	rec backends.Completion // what the backend sees; its address is stable
	c   *Completion         // nil: free
	sub stand               // how it fares
}

const (
	chunkBits = 8
	chunkLen  = 1 << chunkBits
)

// slots is the slot table. It grows by chunks, so that slots never move, and never shrinks.
type slots struct {
	chunks []*[chunkLen]slot
	free   uint32 // first free slot, plus 1; 0: none
	live   int
}

func (t *slots) at(i uint32) *slot { return &t.chunks[i>>chunkBits][i&(chunkLen-1)] }

// take hands out a free slot under a new generation.
func (t *slots) take(c *Completion) *slot {
	if t.free == 0 {
		t.grow()
	}
	i := t.free - 1
	s := t.at(i)
	t.free = s.rec.ID.Slot()
	t.live++
	s.c = c
	t.renew(s, i)
	return s
}

// renew gives a slot in use a new generation: events of the old one no longer concern it.
func (t *slots) renew(s *slot, i uint32) {
	gen := s.rec.ID.Gen() + 1
	if gen == 0 { // generations start at 1
		gen = 1
	}
	s.rec.ID = backends.MakeID(i, gen)
	s.c.id = s.rec.ID
}

// lookup finds the operation that id names, or nil if that is over.
func (t *slots) lookup(id backends.ID) *slot {
	i := id.Slot()
	if int(i>>chunkBits) >= len(t.chunks) {
		return nil
	}
	s := t.at(i)
	if s.c == nil || s.rec.ID != id {
		return nil
	}
	return s
}

// put frees a slot and lets go of everything its operation pointed to.
func (t *slots) put(s *slot) {
	i := s.rec.ID.Slot()
	s.rec.ID = backends.MakeID(t.free, s.rec.ID.Gen())
	s.rec.Op = backends.Op{}
	s.sub = stand{}
	s.c = nil
	t.free = i + 1
	t.live--
}

func (t *slots) grow() {
	base := uint32(len(t.chunks)) << chunkBits
	if base >= backends.MaxSlots {
		panic("weir: slot table full") // Options.MaxInFlight is below MaxSlots
	}
	chunk := new([chunkLen]slot)
	t.chunks = append(t.chunks, chunk)
	for i := chunkLen - 1; i >= 0; i-- {
		chunk[i].rec.ID, t.free = backends.MakeID(t.free, 0), base+uint32(i)+1
	}
}

// each calls f for every operation in flight.
func (t *slots) each(f func(*slot)) {
	for _, chunk := range t.chunks {
		for i := range chunk {
			if chunk[i].c != nil {
				f(&chunk[i])
			}
		}
	}
}
