package runtime

// fifo is Completions in the order in which they came. To get in, to leave from the front and to leave from the middle
// takes the same time however long it is. It costs a Completion nothing that never stands in one. The owner of a fifo
// guards it.
type fifo struct {
	first, last *Completion
	n           int
}

// standing is where a Completion stands. It stands in one line at most.
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

// pop takes the first one out. It is nil if there is none.
func (q *fifo) pop() *Completion {
	c := q.first
	if c != nil {
		q.remove(c)
	}
	return c
}

// remove takes c out, and reports false if it is not in this line.
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
