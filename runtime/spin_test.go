package runtime

import (
	"math"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// announcing is a backend that tells of news when the test says so, and notes how it is polled.
type announcing struct {
	backends.Backend
	news  func() bool
	polls []int64 // deadlines
}

func (a *announcing) News() bool { return a.news() }

func (a *announcing) Poll(dst []backends.Event, deadline int64) (int, error) {
	a.polls = append(a.polls, deadline)
	return a.Backend.Poll(dst, backends.NoWait)
}

// TestSpin: a loop that is to spin looks for news before it blocks, and blocks at once when that
// was for nothing.
func TestSpin(t *testing.T) {
	for _, d := range picked(systemLoops()) { // the clock of the simulated kernel stands still
		t.Run(d.name, func(t *testing.T) {
			var a *announcing
			o := Options{OpenBackend: func(thread bool) (backends.Backend, error) {
				be, err := opening()
				a = &announcing{Backend: be, news: func() bool { return false }}
				return a, err
			}}
			r := startLoop(t, d, o)
			turn := func() []int64 {
				a.polls = nil
				if err := r.l.Turn(true); err != nil {
					t.Fatal(err)
				}
				return a.polls
			}
			wants := func(when string, got []int64, waits ...bool) {
				t.Helper()
				ok := len(got) == len(waits)
				for i := 0; ok && i < len(got); i++ {
					ok = got[i] != backends.NoWait == waits[i]
				}
				if !ok {
					t.Errorf("%s: polled with deadlines %v, want %v to wait", when, got, waits)
				}
			}
			wants("as it is made", turn(), true)
			r.l.SetSpin(10 * time.Microsecond)
			wants("without news", turn(), false, true)
			wants("without news again", turn(), false, true)
			wants("after spins for nothing", turn(), true)
			looks := 0
			a.news = func() bool { looks++; return looks%20 == 0 }
			for range 3 {
				wants("with news", turn(), false, false)
			}
			r.submit(nop(), func(*Completion) Action { return Disarm })
			wants("with something that is over at once", turn(), false)
			a.news = func() bool { return false }
			r.l.SetSpin(time.Hour)
			var timer Timer
			timer.Start(r.l, time.Millisecond, func(*Timer) Action { return Disarm })
			wants("with a timer that is due before", turn(), false, true)
			r.l.SetSpin(0)
			wants("without spin", turn(), true)
		})
	}
}

// TestAttend: of the goroutines that find that the loop has not had a tick for long, one runs one.
func TestAttend(t *testing.T) {
	const never, limit = 0, 1000
	far := int64(math.MaxInt64 / 2) // a time that no tick leaves behind
	for _, d := range picked(systemDrives()) {
		t.Run(d.name, func(t *testing.T) {
			l := startRuntime(t, d, Options{}).l
			if d.drive != DriveScheduler {
				if l.Attend(far, limit) {
					t.Error("a loop with a thread is attended to")
				}
				return
			}
			turned := &l.sched.turned
			for end := time.Now().Add(10 * time.Second); turned.Load() == never && time.Now().Before(end); {
				time.Sleep(100 * time.Microsecond) // until the reaper has had its first look
			}
			l.inLoop(func() {})
			turned.Store(far - limit)
			if !l.Attend(far, limit) || turned.Load() != far-limit {
				t.Error("a tick before it is time")
			}
			turned.Store(never)
			if !l.Attend(far, limit) || turned.Load() == never || turned.Load() == far {
				t.Error("no tick when it is time")
			}
			l.inLoop(func() {
				turned.Store(never)
				l.sched.more.Store(false)
				l.Attend(far, limit)
				if turned.Load() != far || !l.sched.more.Load() {
					t.Error("it does not leave the work to somebody who is at it")
				}
				l.sched.more.Store(false)
				if l.Attend(far, limit); l.sched.more.Load() {
					t.Error("a second one who does the work")
				}
			})
		})
	}
}

// TestSpinWake: a Wake that a loop finds while it spins is answered by that: the loop does not turn
// for it again and again.
func TestSpinWake(t *testing.T) {
	for _, d := range picked(systemLoops()) {
		t.Run(d.name, func(t *testing.T) {
			r := startLoop(t, d, Options{})
			r.l.SetSpin(50 * time.Microsecond)
			for range 3 {
				r.l.Wake()
				fired := false
				var timer Timer
				timer.Start(r.l, 5*time.Millisecond, func(*Timer) Action { fired = true; return Disarm })
				turns := 0
				for ; !fired; turns++ {
					if err := r.l.Turn(true); err != nil {
						t.Fatal(err)
					}
				}
				if turns > 5 {
					t.Errorf("%d turns for one Wake and one timer", turns)
				}
			}
		})
	}
}
