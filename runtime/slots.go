package runtime

import "github.com/weirgo/weir/backends"

// slot is one place in the table of operations in flight. It holds its own copy of the Op, so whatever becomes of
// the caller's Completion, everything the kernel may touch stays referenced until the terminal event.
type slot struct {
	rec   backends.Completion // what the backend sees; its address is stable
	c     *Completion         // nil: free
	gen   uint32
	polls uint8  // rec is a poll that stands in until the operation is worth trying again: how many are to come, with it
	gated bool   // it has passed Loop.gate
	sub   stand  // how it fares as a system call
	next  uint32 // of the free list
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
	t.free = s.next
	t.live++
	s.c = c
	t.renew(s, i)
	return s
}

// renew gives a slot in use a new generation: events of the old one no longer concern it.
func (t *slots) renew(s *slot, i uint32) {
	s.gen++
	if s.gen == 0 { // generations start at 1
		s.gen = 1
	}
	s.rec.ID = backends.MakeID(i, s.gen)
	s.c.id = s.rec.ID
}

// lookup finds the operation that id names, or nil if that is over.
func (t *slots) lookup(id backends.ID) *slot {
	i := id.Slot()
	if int(i>>chunkBits) >= len(t.chunks) {
		return nil
	}
	s := t.at(i)
	if s.c == nil || s.gen != id.Gen() {
		return nil
	}
	return s
}

// put frees a slot and lets go of everything its operation pointed to.
func (t *slots) put(s *slot) {
	i := s.rec.ID.Slot()
	s.rec, s.sub = backends.Completion{}, stand{}
	s.c, s.polls, s.gated = nil, 0, false
	s.next, t.free = t.free, i+1
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
		chunk[i].next, t.free = t.free, base+uint32(i)+1
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
