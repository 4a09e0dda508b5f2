package backends

import "fmt"

// ID names one activation of one slot of a loop's slot table: the slot in the low 32 bits, its
// generation in the high 32. The generation changes each time the slot is taken, so a late event or
// cancel names nothing, rather than the next operation in the slot. The zero ID is never used:
// generations start at 1.
type ID uint64

// MakeID returns the ID of generation gen of slot.
func MakeID(slot, gen uint32) ID { return ID(gen)<<32 | ID(slot) }

// Slot returns the index into the slot table.
func (id ID) Slot() uint32 { return uint32(id) }

// Gen returns the generation.
func (id ID) Gen() uint32 { return uint32(id >> 32) }

// String formats id as slot!generation.
func (id ID) String() string { return fmt.Sprintf("%d!%d", id.Slot(), id.Gen()) }

// MaxSlots bounds slot indexes. No Loop uses indexes from MaxSlots up, so backends may use them as
// user data of their own (wake, cancel).
const MaxSlots = 1 << 24
