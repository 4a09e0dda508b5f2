package runtime

import "sync"

// places is the table of indexes that each loop of a Runtime has, and what is registered at each:
// pools of buffers, or files.
type places[T comparable] struct {
	mu    sync.Mutex // never held while waiting for a loop
	taken []place[T]
}

type place[T comparable] struct {
	by      T    // zero: it is free
	leaving bool // loops that start now must not register it
}

// take gives the first free index below limit to the value that by makes for that index. If there
// is none it calls by with limit, and full is true.
func (t *places[T]) take(limit int, by func(index int) T) (v T, full bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var free T
	i := 0
	for i < len(t.taken) && t.taken[i].by != free {
		i++
	}
	v = by(i)
	switch {
	case i == limit:
		return v, true
	case i == len(t.taken):
		t.taken = append(t.taken, place[T]{})
	}
	t.taken[i].by = v
	return v, false
}

// list returns the values that loops must register.
func (t *places[T]) list() (all []T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var free T
	for i := range t.taken {
		if e := &t.taken[i]; e.by != free && !e.leaving {
			all = append(all, e.by)
		}
	}
	return all
}

// leave removes the value at index from the list. The index stays taken until vacate.
func (t *places[T]) leave(index int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken[index].leaving = true
}

func (t *places[T]) vacate(index int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken[index] = place[T]{}
}
