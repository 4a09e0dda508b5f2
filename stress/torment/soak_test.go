package torment

import (
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

// What grows is told from what is steady, and what fills a pool at first.
func TestSlopes(t *testing.T) {
	s := NewSoak(time.Second)
	if s.add(0, map[string]float64{"goroutines": 1}); s.Slopes() != nil {
		t.Error("slopes of one look")
	}
	s = NewSoak(time.Second)
	for i := range 100 {
		noise := float64(i * 7919 % 13)
		s.add(time.Duration(i)*time.Minute, map[string]float64{
			"goroutines": 50 + noise, "descriptors": 20 + float64(i)/4 + noise/13, "operations in flight": min(float64(i), 15),
			"heap bytes": 1e6 + 1e5*float64(i), "resident bytes": 1e8 + 1e3*float64(i),
		})
	}
	want := map[string][2]bool{"goroutines": {}, "descriptors": {true, true}, "operations in flight": {},
		"heap bytes": {true, false}, "resident bytes": {}}
	slopes := s.Slopes()
	for _, l := range slopes {
		if got := [2]bool{l.Grows, l.Leak}; got != want[l.Name] {
			t.Errorf("%+v: want %v", l, want[l.Name])
		}
		if l.Name == "descriptors" && (l.PerHour < 14 || l.PerHour > 16) {
			t.Errorf("%+v: want 15 an hour", l)
		}
	}
	if len(slopes) != len(want) {
		t.Errorf("%d slopes, want %d", len(slopes), len(want))
	}
}

// A soak looks at what is there.
func TestLook(t *testing.T) {
	weir, err := aio.New(aio.Options{})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	defer weir.Close()
	s := NewSoak(time.Nanosecond)
	for range 12 {
		s.Look(weir)
		time.Sleep(2 * time.Millisecond)
	}
	for _, l := range s.Slopes() {
		if l.Name != "operations in flight" && l.First <= 0 || l.Leak {
			t.Errorf("%+v", l)
		}
	}
	if n := len(s.Slopes()); n != len(leaky) {
		t.Errorf("%d slopes, want %d", n, len(leaky))
	}
}
