package sched_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/weirgo/weir/sched"
)

const tick = 1024

// endOfTick returns the last nanosecond of the tick that when lies in: when a timer fires.
func endOfTick(when int64) int64 { return when | (tick - 1) }

type sleeper struct {
	timer sched.Timer[sleeper]
	id    int
}

func newSleeper(id int) *sleeper {
	s := &sleeper{id: id}
	s.timer.Owner = s
	return s
}

// model is the wheel's contract, written down in the simplest way: lists, searched from end to end.
type model struct {
	now     int64
	popping bool
	due     []entry // in the order in which they fire
	late    []entry // put off to the next sequence of Pops
	waiting []entry // in the order of Add
}

type entry struct {
	id   int
	when int64
}

func (m *model) lists() []*[]entry { return []*[]entry{&m.due, &m.late, &m.waiting} }

func (m *model) remove(id int) bool {
	for _, l := range m.lists() {
		for i, e := range *l {
			if e.id == id {
				*l = append((*l)[:i:i], (*l)[i+1:]...)
				return true
			}
		}
	}
	return false
}

func (m *model) add(id int, when int64) {
	m.remove(id)
	l := &m.waiting
	if when <= m.now {
		if l = &m.due; m.popping {
			l = &m.late
		}
	}
	*l = append(*l, entry{id, when})
}

// earliest returns the end of the first tick in which a timer waits.
func (m *model) earliest() (when int64, ok bool) {
	when = math.MaxInt64
	for _, e := range m.waiting {
		when = min(when, endOfTick(e.when))
	}
	return when, len(m.waiting) > 0
}

func (m *model) pop(now int64) (id int, ok bool) {
	if now > m.now {
		m.now = now
		m.due = append(m.due, m.late...)
		m.late = nil
	}
	if len(m.due) == 0 {
		first, ok := m.earliest()
		if !ok || first > m.now {
			m.popping = false
			m.due, m.late = m.late, nil
			return 0, false
		}
		var rest []entry
		for _, e := range m.waiting {
			if endOfTick(e.when) == first {
				m.due = append(m.due, e)
			} else {
				rest = append(rest, e)
			}
		}
		m.waiting = rest
	}
	id = m.due[0].id
	m.due = m.due[1:]
	m.popping = true
	return id, true
}

func (m *model) len() int { return len(m.due) + len(m.late) + len(m.waiting) }

// script runs what the bytes say on a wheel and on the model, and reports the first difference.
type script struct {
	t     testing.TB
	bytes []byte
	step  int
	w     *sched.Wheel[sleeper]
	m     model
	ids   []*sleeper
	fired int
}

func (s *script) byte() byte {
	if len(s.bytes) == 0 {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return b
}

// span returns a length of time from nothing to centuries, the short ones as likely as the long
// ones.
func (s *script) span() int64 {
	shift, mantissa := s.byte()%63, int64(s.byte())
	return mantissa<<shift>>3&math.MaxInt64 + int64(s.byte()%3)
}

func saturate(a, b int64) int64 { // a+b, b >= 0
	if c := a + b; c >= a {
		return c
	}
	return math.MaxInt64
}

func (s *script) failf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("step %d, now %d: %s", s.step, s.m.now, fmt.Sprintf(format, args...))
}

func (s *script) pop(now int64) bool {
	s.t.Helper()
	id, ok := s.m.pop(now)
	got, gotOK := s.w.Pop(now)
	switch {
	case gotOK != ok:
		s.failf("Pop(%d) = %v, want %v", now, gotOK, ok)
	case !ok:
		// What is left has not expired, or was put off. This does not rely on the model.
		for _, x := range s.ids {
			if when := x.timer.When(); x.timer.Pending() && when > s.m.now-tick && endOfTick(when) <= s.m.now {
				if next, _ := s.w.Next(); next > s.m.now {
					s.failf("a timer at %d is forgotten", when)
				}
			}
		}
		return false
	case got.Owner.id != id:
		s.failf("Pop(%d) is %d, at %d, want %d, at %d", now, got.Owner.id, got.When(), id, s.ids[id].timer.When())
	case got.When() > s.m.now:
		s.failf("%d fired early: it is due at %d", id, got.When())
	case got.Pending():
		s.failf("%d is pending after Pop", id)
	}
	s.fired++
	return true
}

func (s *script) checkNext() (when int64, ok bool) {
	s.t.Helper()
	when, ok = s.w.Next()
	first, waits := s.m.earliest()
	switch {
	case ok != (s.m.len() > 0):
		s.failf("Next: %v with %d pending", ok, s.m.len())
	case !ok:
	case len(s.m.due)+len(s.m.late) > 0:
		if when > s.m.now {
			s.failf("Next = %d with timers due", when)
		}
	case waits && when > first:
		s.failf("Next = %d, but a timer fires at %d", when, first)
	case !s.m.popping && when <= s.m.now:
		s.failf("Next = %d is not after now, with nothing due", when)
	}
	return when, ok
}

func (s *script) run() {
	s.t.Helper()
	start := s.span()
	switch s.byte() % 4 {
	case 0:
		start = -start
	case 1:
		start = 0
	}
	s.w = sched.NewWheel[sleeper](start)
	s.m.now = start
	for i := range 24 {
		s.ids = append(s.ids, newSleeper(i))
	}
	for ; len(s.bytes) > 0; s.step++ {
		op := s.byte()
		x := s.ids[s.byte()%byte(len(s.ids))]
		switch op % 16 {
		case 0, 1, 2, 3, 4: // arm or move, ahead
			when := saturate(s.m.now, s.span())
			s.w.Add(&x.timer, when)
			s.m.add(x.id, when)
			if x.timer.When() != when {
				s.failf("When = %d after Add(%d)", x.timer.When(), when)
			}
		case 5: // near the boundary of a level
			shift := 10 + 6*(s.byte()%9)
			block := uint64(s.m.now)>>shift + uint64(s.byte()%3)
			when := int64(block<<shift) + int64(s.byte()%5) - 2
			s.w.Add(&x.timer, when)
			s.m.add(x.id, when)
		case 6: // arm or move, back: overdue
			when := s.m.now - s.span()
			if when > s.m.now {
				when = math.MinInt64
			}
			s.w.Add(&x.timer, when)
			s.m.add(x.id, when)
		case 7: // at the time of another
			when := s.ids[s.byte()%byte(len(s.ids))].timer.When()
			s.w.Add(&x.timer, when)
			s.m.add(x.id, when)
		case 8, 9:
			if got, want := s.w.Remove(&x.timer), s.m.remove(x.id); got != want {
				s.failf("Remove(%d) = %v, want %v", x.id, got, want)
			}
		case 10: // one Pop, time stands still
			s.pop(s.m.now)
		case 11: // one Pop, time goes on
			s.pop(saturate(s.m.now, s.span()))
		case 12: // one Pop, time goes back
			s.pop(s.m.now - 1 - s.span()>>1)
		case 13: // a whole sequence
			for now := saturate(s.m.now, s.span()); s.pop(now); {
			}
		case 14: // a sequence in which every timer adds itself again, overdue: it ends all the same
			for n, now := 0, s.m.now; s.pop(now); n++ {
				if n > len(s.ids) {
					s.failf("a sequence of Pops does not end")
				}
				s.w.Add(&x.timer, now)
				s.m.add(x.id, now)
			}
		case 15: // what a loop does: wait until Next, pop all
			if when, ok := s.checkNext(); ok {
				for s.pop(when) {
				}
			}
		}
		s.check()
	}
	s.drain()
}

func (s *script) check() {
	s.t.Helper()
	if err := s.w.Check(); err != nil {
		s.failf("%v", err)
	}
	if s.w.Len() != s.m.len() {
		s.failf("Len = %d, want %d", s.w.Len(), s.m.len())
	}
	for _, x := range s.ids {
		want := false
		for _, l := range s.m.lists() {
			for _, e := range *l {
				want = want || e.id == x.id
			}
		}
		if x.timer.Pending() != want || s.w.Pending(&x.timer) != want {
			s.failf("Pending(%d) = %v, want %v", x.id, x.timer.Pending(), want)
		}
	}
	s.checkNext()
}

// drain does what a loop does until no timer is pending. At most one wait in a row is in vain.
func (s *script) drain() {
	s.t.Helper()
	for s.pop(s.m.now) {
	}
	for vain := 0; s.m.len() > 0; {
		when, _ := s.checkNext()
		first, waits := s.m.earliest()
		if vain == 1 && len(s.m.due) == 0 && waits && when != first {
			s.failf("after a wait in vain Next = %d, want exactly %d", when, first)
		}
		if vain++; vain > 2 {
			s.failf("Next and Pop make no progress")
		}
		for s.pop(when) {
			vain = 0
		}
		s.check()
	}
	if when, ok := s.w.Next(); ok {
		s.failf("Next = %d with nothing pending", when)
	}
}

func randomScript(seed uint64, n int) []byte {
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24),
		byte(seed >> 32), byte(seed >> 40), byte(seed >> 48), byte(seed >> 56)})
	b := make([]byte, n)
	rng.Read(b)
	return b
}

func TestWheelModel(t *testing.T) {
	base := rand.Uint64()
	fired := 0
	for i := range uint64(150) {
		seed := base + i
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			s := &script{t: t, bytes: randomScript(seed, 1500)}
			s.run()
			fired += s.fired
		}) {
			return
		}
	}
	t.Logf("%d timers fired", fired)
}

func FuzzWheel(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(randomScript(seed, 400))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		(&script{t: t, bytes: b[:min(len(b), 4096)]}).run()
	})
}

func TestWheelZero(t *testing.T) {
	w := sched.NewWheel[sleeper](5)
	var tm sched.Timer[sleeper]
	if tm.Pending() || tm.When() != 0 || w.Remove(&tm) || w.Len() != 0 {
		t.Error("the zero Timer is not idle")
	}
	if _, ok := w.Next(); ok {
		t.Error("Next of an empty wheel")
	}
	if _, ok := w.Pop(1 << 40); ok {
		t.Error("Pop of an empty wheel")
	}
	w.Add(&tm, 2<<40)
	if !tm.Pending() || tm.When() != 2<<40 || w.Len() != 1 {
		t.Error("Add did not arm the timer")
	}
	if !w.Remove(&tm) || w.Remove(&tm) || tm.Pending() || w.Len() != 0 {
		t.Error("Remove did not disarm the timer, once")
	}
}

// fireAt advances time by single nanoseconds around when and checks at which one the timer fires.
func fireAt(t *testing.T, start, when int64) {
	t.Helper()
	w := sched.NewWheel[sleeper](start)
	x := newSleeper(0)
	w.Add(&x.timer, when)
	want := endOfTick(when)
	if when <= start {
		want = start
	}
	if next, ok := w.Next(); !ok || next != want {
		t.Errorf("from %d: a timer at %d: Next = %d, %v, want %d", start, when, next, ok, want)
	}
	for _, now := range []int64{when - 1, when, want - 1} {
		if now >= want || now < start {
			continue
		}
		if _, ok := w.Pop(now); ok {
			t.Errorf("from %d: a timer at %d fired at %d, want %d", start, when, now, want)
			return
		}
		if next, ok := w.Next(); !ok || next != want {
			t.Errorf("from %d: a timer at %d: at %d Next = %d, %v, want %d", start, when, now, next, ok, want)
		}
	}
	if got, ok := w.Pop(want); !ok || got != &x.timer || got.When() != when {
		t.Errorf("from %d: a timer at %d did not fire at %d", start, when, want)
	}
}

// A timer fires at the end of its tick, neither before nor after, on either side of every boundary
// of every level, and Next names that time exactly, however far away it is.
func TestWheelBoundaries(t *testing.T) {
	starts := []int64{math.MinInt64, math.MinInt64 + 1023, -1 << 40, -1025, -1, 0, 1, 1023, 1024,
		1<<16 - 1, 1 << 16, 12345678987654321, 1<<62 - 1, math.MaxInt64 - 4096, math.MaxInt64 - 1}
	for _, start := range starts {
		whens := []int64{0, start, start - 1, start + 1, math.MaxInt64,
			math.MaxInt64 - 1, math.MaxInt64 - 1023, math.MaxInt64 - 1024}
		for shift := 10; shift < 63; shift++ {
			for d := int64(-1); d <= 1; d++ {
				whens = append(whens, saturate(start, 1<<shift)+d, (start>>shift+1)<<shift+d)
			}
		}
		for _, when := range whens {
			if when == math.MinInt64 {
				continue // when-1 is no time
			}
			fireAt(t, start, when)
		}
	}
}

// A carry through all levels: time steps from the last tick before a boundary into the first after
// it with timers on every level.
func TestWheelCarry(t *testing.T) {
	const edge = int64(1) << 58 // all nine digits of the tick but the highest are zero from here on
	w := sched.NewWheel[sleeper](edge - 1<<52)
	var want []int64
	for shift := 0; shift < 52; shift++ {
		for _, when := range []int64{edge - 1<<shift, edge, edge + 1<<shift} {
			x := newSleeper(len(want))
			w.Add(&x.timer, when)
			want = append(want, when)
		}
	}
	last, fired := int64(math.MinInt64), 0
	for rounds := 0; ; rounds++ {
		now, ok := w.Next()
		if !ok {
			break
		}
		if rounds > len(want) {
			t.Fatalf("Next = %d, %d timers fired: no progress", now, fired)
		}
		for {
			got, ok := w.Pop(now)
			if !ok {
				break
			}
			if end := endOfTick(got.When()); end != now || end < last {
				t.Errorf("a timer at %d fired at %d, after one at %d", got.When(), now, last)
			}
			last = endOfTick(got.When())
			fired++
		}
		if err := w.Check(); err != nil {
			t.Fatal(err)
		}
	}
	if fired != len(want) {
		t.Errorf("%d of %d timers fired", fired, len(want))
	}
}

// Timers of one tick fire in the order of Add, whichever levels they were added at and came down
// by.
func TestWheelSameTick(t *testing.T) {
	const when = 1 << 40
	w := sched.NewWheel[sleeper](0)
	var id int
	add := func(at int64) {
		w.Add(&newSleeper(id).timer, at)
		id++
	}
	for shift := range 40 {
		add(when + int64(shift)) // one more from each level, ever closer
		w.Pop(when - 1<<(39-shift))
	}
	for want := range id {
		if got, ok := w.Pop(endOfTick(when)); !ok || got.Owner.id != want {
			t.Fatalf("Pop %d is not the timer that was added then", want)
		}
	}
}

// A timer that adds itself again while it is handled, with a deadline that has passed, fires once
// in each sequence of Pops, and does not keep others from firing.
func TestWheelRearmOverdue(t *testing.T) {
	w := sched.NewWheel[sleeper](0)
	a, b := newSleeper(0), newSleeper(1)
	w.Add(&a.timer, 0)
	w.Add(&b.timer, 5000)
	now := int64(10000)
	for round := range 3 {
		var got []int
		for {
			tm, ok := w.Pop(now)
			if !ok {
				break
			}
			got = append(got, tm.Owner.id)
			if len(got) > 5 {
				t.Fatal("the sequence does not end")
			}
			if tm == &a.timer {
				w.Add(tm, tm.When())
			}
		}
		want := "[0]"
		if round == 0 {
			want = "[0 1]"
		}
		if fmt.Sprint(got) != want {
			t.Errorf("round %d: fired %v, want %s", round, got, want)
		}
		if next, ok := w.Next(); !ok || next != now {
			t.Errorf("round %d: Next = %d, %v, want now: the timer was put off", round, next, ok)
		}
	}
	// With a later now it fires even if the sequence was not run to its end.
	if tm, ok := w.Pop(now); !ok || tm != &a.timer {
		t.Fatal("the timer did not fire")
	}
	w.Add(&a.timer, 0)
	if tm, ok := w.Pop(now + 1); !ok || tm != &a.timer {
		t.Error("the timer that was put off did not fire at a later now")
	}
}

// A deadline that is moved ahead over and over, as for a busy connection, costs no wake-up in vain
// while it is the only one, and the wheel's time keeps up without any timer ever firing.
func TestWheelResets(t *testing.T) {
	const timeout = 30e9
	w := sched.NewWheel[sleeper](0)
	x := newSleeper(0)
	for now := int64(0); now < 200e9; now += 7e6 {
		if _, ok := w.Pop(now); ok {
			t.Fatalf("fired at %d", now)
		}
		w.Add(&x.timer, now+timeout)
		if next, _ := w.Next(); next != endOfTick(now+timeout) {
			t.Fatalf("at %d Next = %d, want %d", now, next, endOfTick(now+timeout))
		}
	}
	if err := w.Check(); err != nil {
		t.Error(err)
	}
}

// While nothing fires the wheel keeps up with time all the same, so that a timer that is to fire
// soon goes straight to level 0, whether others are pending far ahead or not.
func TestWheelKeepsUp(t *testing.T) {
	const now = 1<<50 - 1<<20 // the beginning of a slot on level 1
	for _, far := range []int64{0, 1 << 50, 1 << 60} {
		w := sched.NewWheel[sleeper](0)
		if far > 0 {
			w.Add(&newSleeper(0).timer, far)
		}
		w.Pop(now - 1)
		x := newSleeper(1)
		w.Add(&x.timer, now+5*tick)
		if level := w.LevelOf(&x.timer); level != 0 {
			t.Errorf("with a timer at %d: level %d", far, level)
		}
	}
}

// Many timers, with time that goes on in steps: what fires in a step is just what the deadlines
// say.
func TestWheelMany(t *testing.T) {
	const n, span = 50000, 1e9
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w := sched.NewWheel[sleeper](0)
	var expire [span / 1e6]int // by millisecond, cut to the wheel's ticks
	all := make([]sleeper, n)
	for i := range all {
		x := &all[i]
		x.id, x.timer.Owner = i, x
		w.Add(&x.timer, rng.Int64N(span))
		for range rng.IntN(3) {
			w.Add(&x.timer, rng.Int64N(span))
		}
		if rng.IntN(4) == 0 {
			w.Remove(&x.timer)
			continue
		}
		if ms := (endOfTick(x.timer.When()) + 1e6 - 1) / 1e6; x.timer.When() > 0 && ms < int64(len(expire)) {
			expire[ms]++
		}
	}
	for ms := range expire {
		last := int64(0)
		for {
			tm, ok := w.Pop(int64(ms) * 1e6)
			if !ok {
				break
			}
			if end := endOfTick(tm.When()); end < last {
				t.Fatalf("a timer at %d after one at %d", tm.When(), last)
			} else {
				last = end
			}
			if ms > 0 {
				expire[ms]--
			}
		}
		if ms > 0 && expire[ms] != 0 {
			t.Fatalf("%d timers too few in millisecond %d", expire[ms], ms)
		}
	}
}

func TestWheelAllocs(t *testing.T) {
	w := sched.NewWheel[sleeper](0)
	var all [100]sleeper
	now := int64(0)
	mustNotAllocate(t, "Add, move, Remove, Next, Pop", func() {
		for i := range all {
			w.Add(&all[i].timer, now+int64(i)*int64(i)*1e5)
		}
		for i := range all {
			if i%3 == 0 {
				w.Remove(&all[i].timer)
			} else if i%3 == 1 {
				w.Add(&all[i].timer, now+5e8)
			}
		}
		for {
			when, ok := w.Next()
			if !ok {
				break
			}
			now = when
			for _, ok := w.Pop(now); ok; _, ok = w.Pop(now) {
			}
		}
	})
}

// BenchmarkTimers10M arms ten million timers and fires them all, with time stepping from Next to
// Next. One iteration is the whole thing: use -benchtime=1x.
func BenchmarkTimers10M(b *testing.B) {
	const n = 10_000_000
	deadlines := map[string]func(i int, rng *rand.Rand) int64{
		"sequential": func(i int, _ *rand.Rand) int64 { return int64(i/1000) * 1e6 }, // libuv's million-timers
		"random":     func(_ int, rng *rand.Rand) int64 { return rng.Int64N(10e9) },
	}
	for _, name := range []string{"sequential", "random"} {
		b.Run(name, func(b *testing.B) {
			all := make([]sched.Timer[sleeper], n)
			whens := make([]int64, n)
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range whens {
				whens[i] = deadlines[name](i, rng) + 1
			}
			for i := range all {
				all[i].Owner = nil // the pages are there before the clock starts
			}
			var insert, fire float64
			for b.Loop() {
				w := sched.NewWheel[sleeper](0)
				start := b.Elapsed()
				for i := range all {
					w.Add(&all[i], whens[i])
				}
				added := b.Elapsed()
				fired := 0
				for {
					now, ok := w.Next()
					if !ok {
						break
					}
					for _, ok := w.Pop(now); ok; _, ok = w.Pop(now) {
						fired++
					}
				}
				if fired != n {
					b.Fatalf("%d fired, want %d", fired, n)
				}
				insert += (added - start).Seconds()
				fire += (b.Elapsed() - added).Seconds()
			}
			rounds := float64(b.N)
			b.ReportMetric(insert/rounds/n*1e9, "ns/insert")
			b.ReportMetric(fire/rounds/n*1e9, "ns/fire")
			b.ReportMetric((insert+fire)/rounds, "s/total")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkTimerReset moves the deadline of one timer after the other, in random order, among many
// that are pending, and removes and adds it in a second run.
func BenchmarkTimerReset(b *testing.B) {
	for _, n := range []int{1, 10_000, 10_000_000} {
		all := make([]sched.Timer[sleeper], n)
		order := make([]uint32, min(n, 1<<20)) // as many as there are, up to a million
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range order {
			order[i] = uint32(rng.IntN(n))
		}
		for _, remove := range []bool{false, true} {
			name := "move"
			if remove {
				name = "remove+add"
			}
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				w := sched.NewWheel[sleeper](0)
				for i := range all {
					all[i] = sched.Timer[sleeper]{}
					w.Add(&all[i], 1+rng.Int64N(30e9))
				}
				b.ReportAllocs()
				b.ResetTimer()
				now, k := int64(0), 0
				for b.Loop() {
					t := &all[order[k]]
					if k++; k == len(order) {
						k = 0
					}
					if remove {
						w.Remove(t)
					}
					now += 100
					w.Add(t, now+30e9)
				}
			})
		}
	}
}
