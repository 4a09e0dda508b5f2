package runtime

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// subject is a Completion that reads a byte, in some state, and a record of what became of it.
type subject struct {
	r      *rig
	c      Completion
	rd, wr int
	log    []string // what each callback was told
	during func()   // what the next callback does
	answer Action   // what the callbacks answer
	wrote  bool
}

func newSubject(r *rig, multi bool) *subject {
	s := &subject{r: r}
	s.rd, s.wr = r.pipe()
	s.c.Op = read(s.rd, make([]byte, 1))
	if multi {
		s.c.Op = poll(s.rd, pollIn|pollET, true)
	}
	s.c.Callback = func(c *Completion) Action {
		entry := describe(c.Err())
		if c.More() {
			entry = "more"
		}
		s.log = append(s.log, entry)
		answer := Disarm
		if s.during != nil {
			f := s.during
			s.during = nil
			f()
			answer = s.answer
		}
		return answer
	}
	return s
}

func describe(err error) string {
	switch err {
	case nil:
		return "ok"
	case ErrCanceled:
		return "canceled"
	case os.ErrDeadlineExceeded:
		return "deadline"
	case ErrClosed:
		return "closed"
	case ErrInFlight:
		return "in flight"
	}
	return err.Error()
}

func (s *subject) data() {
	if !s.wrote {
		s.r.put(s.wr, 1, 1, 1, 1)
		s.wrote = true
	}
}

// The states, each with how to get there. f is to be called in that state.
var subjectStates = map[string]func(s *subject, f func()){
	"new": func(s *subject, f func()) { f() },
	"used": func(s *subject, f func()) {
		s.submit()
		s.data()
		s.r.run(UntilDone)
		s.log = nil
		f()
	},
	"queued": func(s *subject, f func()) {
		s.submit()
		f()
	},
	"started": func(s *subject, f func()) {
		s.submit()
		s.r.run(NoWait)
		f()
	},
	"stopping": func(s *subject, f func()) { // a cancel is on its way
		s.submit()
		s.r.run(NoWait)
		s.r.l.Cancel(&s.c)
		f()
	},
	"callback": func(s *subject, f func()) {
		s.submit()
		s.during = f
		s.data()
		s.r.run(UntilDone)
	},
	"rearming": func(s *subject, f func()) { // in a callback that answers Rearm
		s.submit()
		s.during, s.answer = f, Rearm
		s.data()
		s.r.runUntil("the callback has run", func() bool { return s.during == nil })
	},
	"retired": func(s *subject, f func()) {
		s.c.Retire()
		f()
	},
	"more": func(s *subject, f func()) { // in a callback of a multishot that goes on
		s.submit()
		s.r.run(NoWait)
		s.during, s.answer = f, Rearm
		s.data()
		s.r.runUntil("the callback has run", func() bool { return s.during == nil })
	},
}

func (s *subject) submit() {
	if err := s.r.l.Submit(&s.c); err != nil {
		s.r.Fatal("Submit: ", err)
	}
}

// TestStates guards the life of a Completion: each event in each state, legal or not, has the
// outcome that the documentation promises, and every activation gets its one last callback.
func TestStates(t *testing.T) {
	type row struct {
		state, event string
		want         string // what Submit says, if the event is one; then what the callbacks are told
	}
	past, far := int64(1), backends.Forever-1
	events := map[string]func(s *subject) string{
		"Submit": func(s *subject) string { return describe(s.r.l.Submit(&s.c)) },
		"Submit twice": func(s *subject) string {
			return describe(s.r.l.Submit(&s.c)) + ", " +
				describe(s.r.l.Submit(&s.c))
		},
		"Cancel":         func(s *subject) string { s.r.l.Cancel(&s.c); return "" },
		"Cancel, Submit": func(s *subject) string { s.r.l.Cancel(&s.c); return describe(s.r.l.Submit(&s.c)) },
		"Submit, Cancel": func(s *subject) string { d := describe(s.r.l.Submit(&s.c)); s.r.l.Cancel(&s.c); return d },
		"Cancel twice":   func(s *subject) string { s.r.l.Cancel(&s.c); s.r.l.Cancel(&s.c); return "" },
		"past":           func(s *subject) string { s.c.SetDeadline(past); return "" },
		"past, Submit":   func(s *subject) string { s.c.SetDeadline(past); return describe(s.r.l.Submit(&s.c)) },
		"past, none":     func(s *subject) string { s.c.SetDeadline(past); s.c.SetDeadline(0); return "" },
		"far":            func(s *subject) string { s.c.SetDeadline(far); return "" },
		"far, Submit":    func(s *subject) string { s.c.SetDeadline(far); return describe(s.r.l.Submit(&s.c)) },
		"Retire":         func(s *subject) string { s.c.Retire(); return "" },
		"Retire, Submit": func(s *subject) string { s.c.Retire(); return describe(s.r.l.Submit(&s.c)) },
		"Cancel, past":   func(s *subject) string { s.r.l.Cancel(&s.c); s.c.SetDeadline(past); return "" },
		"data":           func(s *subject) string { s.data(); return "" },
		"data, Cancel":   func(s *subject) string { s.data(); s.r.l.Cancel(&s.c); return "" },
		"Disarm":         func(s *subject) string { s.answer = Disarm; return "" },
		"Rearm":          func(s *subject) string { s.answer = Rearm; return "" },
	}
	for _, row := range []row{
		{"new", "Submit", "ok | ok"},
		{"new", "Submit twice", "ok, in flight | ok"},
		{"new", "Cancel", ""},
		{"new", "Cancel, Submit", "ok | ok"},
		{"new", "Submit, Cancel", "ok | canceled"},
		{"new", "past", ""},
		{"new", "past, Submit", "ok | deadline"},
		{"new", "far, Submit", "ok | ok"},
		{"new", "Retire, Submit", "ok | closed"},

		{"used", "Submit", "ok | ok"},
		{"used", "Submit twice", "ok, in flight | ok"},
		{"used", "Cancel", ""},
		{"used", "Cancel, Submit", "ok | ok"},
		{"used", "Submit, Cancel", "ok | canceled"},
		{"used", "past", ""},
		{"used", "past, Submit", "ok | deadline"},
		{"used", "far, Submit", "ok | ok"},
		{"used", "Retire, Submit", "ok | closed"},

		{"queued", "Submit", "in flight | ok"},
		{"queued", "Cancel", "canceled"},
		{"queued", "Cancel twice", "canceled"},
		{"queued", "Cancel, past", "canceled"},
		{"queued", "past", "deadline"},
		{"queued", "past, none", "ok"},
		{"queued", "far", "ok"},
		{"queued", "Retire", "closed"},
		{"queued", "data", "ok"},
		{"queued", "data, Cancel", "canceled"},

		{"started", "Submit", "in flight | ok"},
		{"started", "Cancel", "canceled"},
		{"started", "Cancel twice", "canceled"},
		{"started", "Cancel, past", "canceled"},
		{"started", "past", "deadline"},
		{"started", "past, none", "ok"},
		{"started", "far", "ok"},
		{"started", "Retire", "closed"},
		{"started", "data", "ok"},

		{"stopping", "Submit", "in flight | canceled"},
		{"stopping", "Cancel", "canceled"},
		{"stopping", "past", "canceled"},
		{"stopping", "Retire", "canceled"},

		{"callback", "Submit", "ok | ok, ok"},
		{"callback", "Submit twice", "ok, in flight | ok, ok"},
		{"callback", "Cancel", "ok"},
		{"callback", "Cancel, Submit", "ok | ok, ok"},
		{"callback", "Submit, Cancel", "ok | ok, canceled"},
		{"callback", "past", "ok"},
		{"callback", "Retire", "ok"},
		{"callback", "Retire, Submit", "ok | ok, closed"},
		{"callback", "Disarm", "ok"},
		{"callback", "Rearm", "ok, ok"},

		{"rearming", "Rearm", "ok, ok"},
		{"rearming", "Disarm", "ok"},
		{"rearming", "Cancel", "ok, canceled"},
		{"rearming", "past", "ok, deadline"},
		{"rearming", "past, none", "ok, ok"},
		{"rearming", "far", "ok, ok"},
		{"rearming", "Retire", "ok, closed"},

		{"retired", "Submit", "ok | closed"},
		{"retired", "far, Submit", "ok | closed"},
		{"retired", "Cancel, Submit", "ok | closed"},
		{"retired", "Retire, Submit", "ok | closed"},

		{"more", "Submit", "in flight | more"},
		{"more", "Rearm", "more"},
		{"more", "Disarm", "more, canceled"},
		{"more", "Cancel", "more, canceled"},
		{"more", "past", "more, deadline"},
		{"more", "far", "more"},
		{"more", "Retire", "more, closed"},
	} {
		t.Run(strings.ReplaceAll(row.state+"/"+row.event, ", ", "+"), func(t *testing.T) {
			for _, d := range loops() {
				r := startLoop(t, d, Options{})
				if row.state == "more" && r.name() == "portable" {
					continue // its multishot polls tell states, not changes: they report again what is still so
				}
				s := newSubject(r, row.state == "more")
				said := ""
				subjectStates[row.state](s, func() { said = events[row.event](s) })
				if strings.HasSuffix(row.want, "ok") {
					s.data()
				}
				if row.state == "more" {
					for range 5 { // what is going to happen happens now
						r.run(NoWait)
						time.Sleep(100 * time.Microsecond)
					}
				} else {
					r.run(UntilDone)
				}
				got := strings.Join(s.log, ", ")
				if said != "" && got != "" {
					got = said + " | " + got
				} else if said != "" {
					got = said
				}
				if got != row.want {
					t.Errorf("%s: %s when %s: %q, want %q", d.name, row.event, row.state, got, row.want)
				}
				if s.c.Op.Multi && s.c.InFlight() {
					r.l.Cancel(&s.c)
					r.runUntil("the poll is over", func() bool { return !s.c.InFlight() })
				}
				if s.c.InFlight() {
					t.Errorf("%s: still in flight", d.name)
				}
				if n := r.l.slots.live; n != 0 {
					t.Errorf("%s: %d slots are taken", d.name, n)
				}
				if n := r.l.wheel.Len(); n != 0 {
					t.Errorf("%s: %d deadlines are left", d.name, n)
				}
			}
		})
	}
}

// TestSlots guards the slot table: a slot keeps its address, a generation names one tenant only,
// and what is freed refers to nothing.
func TestSlots(t *testing.T) {
	var table slots
	var c [1000]Completion
	var taken []*slot
	ids := map[backends.ID]bool{}
	for round := range 50 {
		for i := range c {
			s := table.take(&c[i])
			if ids[s.rec.ID] || s.rec.ID.Gen() == 0 || c[i].id != s.rec.ID {
				t.Fatalf("round %d: ID %v comes twice, or is not the Completion's", round, s.rec.ID)
			}
			ids[s.rec.ID] = true
			s.rec.Op = backends.Op{Buf: make([]byte, 1)}
			if table.lookup(s.rec.ID) != s {
				t.Fatalf("%v is not found", s.rec.ID)
			}
			taken = append(taken, s)
		}
		if table.live != len(c) || len(table.chunks) != (len(c)+chunkLen-1)/chunkLen {
			t.Fatalf("%d slots live in %d chunks", table.live, len(table.chunks))
		}
		n := 0
		table.each(func(*slot) { n++ })
		if n != len(c) {
			t.Fatalf("each finds %d", n)
		}
		slices.Reverse(taken)
		for _, s := range taken {
			id := s.rec.ID
			old := backends.MakeID(id.Slot(), id.Gen()-1)
			if table.lookup(old) != nil {
				t.Fatalf("%v, which is over, is found while %v is in flight", old, id)
			}
			if round%2 == 0 { // submitted again under a new generation
				table.renew(s, id.Slot())
				if table.lookup(id) != nil || table.lookup(s.rec.ID) != s || s.c.id != s.rec.ID {
					t.Fatalf("%v was renewed, but is found", id)
				}
				id = s.rec.ID
			}
			table.put(s)
			if table.lookup(id) != nil {
				t.Fatalf("%v is over, but is found", id)
			}
			if s.c != nil || s.rec.Buf != nil || s.sub.polls > 0 {
				t.Fatalf("a free slot refers to something: %+v", s)
			}
		}
		taken = taken[:0]
	}
	for _, id := range []backends.ID{0, backends.MakeID(0, 0), backends.MakeID(5, 1<<31),
		backends.MakeID(backends.MaxSlots, 1), ^backends.ID(0)} {
		if table.lookup(id) != nil {
			t.Errorf("%v is found", id)
		}
	}
	// A generation that wraps around skips 0.
	s := table.take(&c[0])
	s.rec.ID = backends.MakeID(s.rec.ID.Slot(), ^uint32(0))
	if table.renew(s, s.rec.ID.Slot()); s.rec.ID.Gen() != 1 {
		t.Errorf("generation %d follows the last one", s.rec.ID.Gen())
	}
}

// TestSlotSize guards that a slot is two cache lines, and that a chunk of them is whole pages, so
// that none is wasted: there is a slot for each goroutine that waits.
func TestSlotSize(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("the sizes are those of 64-bit systems")
	}
	if size := reflect.TypeFor[slot]().Size(); size != 128 {
		t.Errorf("a slot has %d bytes, want 128", size)
	}
}

// TestErrors guards how results are told: what was done is never an error, and errors match those
// of net, os and context.
func TestErrors(t *testing.T) {
	for _, cause := range []cause{causeNone, causeCancel, causeDeadline, causeClose} {
		for _, res := range []int32{0, 1, 1 << 30} {
			if c := (&Completion{res: res, cause: cause}); c.Err() != nil || c.N() != int(res) || c.Res() != res {
				t.Errorf("cause %d, result %d: %v, %d", cause, res, c.Err(), c.N())
			}
		}
	}
	for cause, want := range map[cause]error{causeCancel: ErrCanceled, causeDeadline: os.ErrDeadlineExceeded,
		causeClose: ErrClosed} {
		for _, errno := range []syscall.Errno{syscall.ECANCELED, syscall.EINTR, syscall.EAGAIN} {
			if c := (&Completion{res: -int32(errno), cause: cause}); c.Err() != want || c.N() != 0 {
				t.Errorf("cause %d, %v: %v, %d", cause, errno, c.Err(), c.N())
			}
		}
		if c := (&Completion{res: -int32(syscall.EIO), cause: cause}); c.Err() != syscall.EIO {
			t.Errorf("cause %d, EIO: %v", cause, c.Err())
		}
	}
	s := &StuckError{Cause: os.ErrDeadlineExceeded}
	for i := range 20 {
		s.Ops = append(s.Ops, StuckOp{ID: backends.MakeID(uint32(i), 1), Code: backends.OpRead, FD: i})
	}
	if text := s.Error(); !strings.Contains(text, "20 operations") || !strings.Contains(text, "12 more") ||
		!errors.Is(s, os.ErrDeadlineExceeded) {
		t.Errorf("StuckError: %s", text)
	}
	if text := fmt.Sprint(ErrClosed, ErrCanceled); text == "" {
		t.Error("no text")
	}
}
