package sim

import (
	"fmt"

	"github.com/weirgo/weir/backends"
)

// record is one line of the trace. It is formatted on request.
type record struct {
	at   int64
	verb string
	what string
	id   backends.ID
	n    int64
	more bool
}

// trace keeps the last records, in a ring.
type trace struct {
	records []record
	next    int
	dropped int
}

func (t *trace) add(r record) {
	if len(t.records) < cap(t.records) {
		t.records = append(t.records, r)
		return
	}
	if len(t.records) == 0 {
		t.dropped++
		return
	}
	t.records[t.next] = r
	t.next = (t.next + 1) % len(t.records)
	t.dropped++
}

func (t *trace) lines() []string {
	var lines []string
	if t.dropped > 0 {
		lines = append(lines, fmt.Sprintf("... %d earlier lines dropped", t.dropped))
	}
	for i := range t.records {
		lines = append(lines, t.records[(t.next+i)%len(t.records)].String())
	}
	return lines
}

func (r record) String() string {
	text := fmt.Sprintf("%d.%06dms %s", (r.at-start)/1e6, (r.at-start)%1e6, r.verb)
	if r.id != 0 {
		text += " " + r.id.String()
	}
	if r.what != "" {
		text += " " + r.what
	}
	text += fmt.Sprintf(" %d", r.n)
	if r.more {
		text += " more"
	}
	return text
}

func (s *Sim) note(verb string, id backends.ID, what string, n int64, more bool) {
	s.trace.add(record{at: s.now.Load(), verb: verb, what: what, id: id, n: n, more: more})
}

// Trace tells what happened, oldest first: the last Config.Trace steps. Each line has the virtual
// time since the start, what was done, the ID, the operation, and a number: the descriptor when an
// operation is taken up, its result when it completes.
func (s *Sim) Trace() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trace.lines()
}
