package runtime

// fifo is a queue of Completions, in order of arrival. To enter, to leave from the front and to
// leave from the middle take constant time. A Completion that never enters a fifo pays nothing for
// it. The owner of a fifo guards it.
type fifo struct {
	first, last *Completion
	n           int
}

// standing is the position of a Completion in a fifo. A Completion is in one fifo at most.
type standing struct {
	in            *fifo
	before, after *Completion
}

func (q *fifo) push(c *Completion) {
	at := &c.rarely().at
	*at = standing{in: q, before: q.last}
	if q.last == nil {
		q.first = c
	} else {
		q.last.rare.at.after = c
	}
	q.last = c
	q.n++
}

// pop removes and returns the first Completion, nil if there is none.
func (q *fifo) pop() *Completion {
	c := q.first
	if c != nil {
		q.remove(c)
	}
	return c
}

// remove takes c out. It reports false if c is not in this fifo.
func (q *fifo) remove(c *Completion) bool {
	if c.rare == nil || c.rare.at.in != q {
		return false
	}
	at := c.rare.at
	if at.before == nil {
		q.first = at.after
	} else {
		at.before.rare.at.after = at.after
	}
	if at.after == nil {
		q.last = at.before
	} else {
		at.after.rare.at.before = at.before
	}
	c.rare.at = standing{}
	q.n--
	return true
}
