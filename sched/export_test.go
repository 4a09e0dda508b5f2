package sched

import "fmt"

// LevelOf returns the level that t is on, or -1 if it is not in a slot.
func (w *Wheel[T]) LevelOf(t *Timer[T]) int {
	for n := range w.slots {
		for i := range w.slots[n] {
			root := &w.slots[n][i].root
			for x := root.next; x != root; x = x.next {
				if x == t {
					return n
				}
			}
		}
	}
	return -1
}

// Check returns an error if something that the wheel relies on does not hold.
func (w *Wheel[T]) Check() error {
	total := 0
	walk := func(name string, l *list[T], each func(t *Timer[T]) error) error {
		for t := &l.root; ; {
			if t.next.prev != t || t.prev.next != t {
				return fmt.Errorf("%s: links do not match", name)
			}
			if t = t.next; t == &l.root {
				return nil
			}
			if err := each(t); err != nil {
				return fmt.Errorf("%s: timer at %d: %w", name, t.when, err)
			}
			total++
		}
	}
	if over := ticksOver(w.now); w.cur > over {
		return fmt.Errorf("cur %d is ahead of time %d", w.cur, over)
	}
	for n := range w.slots {
		if w.filled[n] != 0 && w.levels>>n&1 == 0 {
			return fmt.Errorf("level %d: filled slots, but no bit for the level", n)
		}
		for i := range w.slots[n] {
			s := &w.slots[n][i]
			if s.empty() {
				continue
			}
			name := fmt.Sprintf("level %d slot %d", n, i)
			if w.filled[n]>>i&1 == 0 {
				return fmt.Errorf("%s: timers, but no bit", name)
			}
			last := uint64(0)
			err := walk(name, &s.list, func(t *Timer[T]) error {
				tick := tickOf(t.when)
				shift := n * levelBits
				switch {
				case tick < w.cur:
					return fmt.Errorf("tick %d is before cur %d", tick, w.cur)
				case tick < s.first:
					return fmt.Errorf("tick %d is before the slot's first %d", tick, s.first)
				case tick>>shift%slotCount != uint64(i):
					return fmt.Errorf("tick %d does not belong into this slot", tick)
				case tick>>(shift+levelBits) != w.cur>>(shift+levelBits):
					return fmt.Errorf("tick %d belongs to a higher level, cur is %d", tick, w.cur)
				case n > 0 && tick>>shift == w.cur>>shift:
					return fmt.Errorf("tick %d belongs to a lower level, cur is %d", tick, w.cur)
				case n == 0 && last != 0 && tick != last:
					return fmt.Errorf("ticks %d and %d in a slot of level 0", last, tick)
				}
				last = tick
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	expired := func(t *Timer[T]) error {
		if t.when > w.now {
			return fmt.Errorf("expired early, it is %d", w.now)
		}
		return nil
	}
	if err := walk("due", &w.due, expired); err != nil {
		return err
	}
	if err := walk("late", &w.late, expired); err != nil {
		return err
	}
	if !w.late.empty() && !w.popping {
		return fmt.Errorf("timers put off outside a sequence of Pops")
	}
	if total != w.pending {
		return fmt.Errorf("%d timers linked, Len is %d", total, w.pending)
	}
	return nil
}
