//go:build !weir_portable

package fd

import "weak"

// viewList holds the FDs of a descriptor except the first, guarded by its mu. It does not keep them
// alive: a view that is dropped, or whose task is over, is garbage, and if it was the last that had
// the descriptor, that is closed.
type viewList struct {
	first *viewEntry
	n     int
	full  int // length at which empty entries are removed, so that each is looked at a few times at most
}

// viewEntry is the entry of a view.
type viewEntry struct {
	of         weak.Pointer[FD]
	next, prev *viewEntry
	taken      bool // it is in the list
}

// Detach ends the view.
func (p *viewEntry) Detach() {
	if h := p.of.Value(); h != nil {
		h.detachView()
	}
}

// Gone reports whether the view has been dropped, or its descriptor is closed.
func (p *viewEntry) Gone() bool {
	h := p.of.Value()
	return h == nil || h.Closing()
}

func (v *viewList) add(p *viewEntry) {
	if v.n >= v.full {
		for o := v.first; o != nil; {
			next := o.next
			if o.of.Value() == nil {
				v.remove(o)
			}
			o = next
		}
		v.full = 2*v.n + 8
	}
	if p.next = v.first; p.next != nil {
		p.next.prev = p
	}
	v.first, p.taken = p, true
	v.n++
}

// remove takes p out if it is in the list.
func (v *viewList) remove(p *viewEntry) {
	if !p.taken {
		return
	}
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		v.first = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	}
	p.next, p.prev, p.taken = nil, nil, false
	v.n--
}
