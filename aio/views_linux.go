//go:build !weir_portable

package aio

import "weak"

// views are the handles of a descriptor but for the first, guarded by its mu. They keep none of
// them: a view that is dropped, or whose task is over, is garbage, and if it was the last that had
// the descriptor, that is closed.
type views struct {
	first *place
	n     int
	full  int // is when places that are empty are thrown out: each is looked at a few times at most
}

// place is that of a view among the handles of its descriptor.
type place struct {
	of         weak.Pointer[handle]
	next, prev *place
	taken      bool // it is in the list
}

// Detach ends the view.
func (p *place) Detach() {
	if h := p.of.Value(); h != nil {
		h.detach()
	}
}

// Gone reports whether the view has been dropped, or its descriptor is closed.
func (p *place) Gone() bool {
	h := p.of.Value()
	return h == nil || h.closing()
}

func (v *views) add(p *place) {
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

// remove takes p out, if it is in.
func (v *views) remove(p *place) {
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
