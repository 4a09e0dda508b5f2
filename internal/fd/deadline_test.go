package fd

import (
	"math"
	"testing"
	"time"

	aiort "github.com/weirgo/weir/runtime"
)

// TestAfter: the sum of a time and a duration is on the same side of the clock's zero as it is in
// arithmetic, and beyond the end of time it is that.
func TestAfter(t *testing.T) {
	for _, tt := range []struct {
		now  int64
		d    time.Duration
		want int64
	}{
		{5, 3, 8}, {5, -3, 2}, {5, -5, 0}, {5, -20, -15}, {-5, 3, -2}, {-5, 8, 3}, {0, math.MaxInt64, math.MaxInt64},
		{1, math.MaxInt64, math.MaxInt64}, {math.MaxInt64, 1, math.MaxInt64}, {math.MaxInt64 - 1, 1, math.MaxInt64},
		{100 * 365 * 24 * int64(time.Hour), math.MaxInt64 / 2, 100*365*24*int64(time.Hour) + math.MaxInt64/2},
	} {
		if got := After(tt.now, tt.d); got != tt.want {
			t.Errorf("%d after %d is %d, want %d", tt.d, tt.now, got, tt.want)
		}
	}
}

// TestLoopTime: a deadline of users' on a loop's clock.
func TestLoopTime(t *testing.T) {
	rt, err := aiort.New(aiort.Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Shutdown(t.Context())
	loop, assigned, err := rt.Place(true)
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Release(assigned)
	now := time.Now()
	for _, tt := range []struct {
		what string
		when time.Time
		want int64
	}{
		{"none", time.Time{}, 0},
		{"the beginning", time.Unix(0, 0), 1},
		{"net/http's long ago", time.Unix(1, 0), 1},
		{"before the beginning", time.Unix(-1<<40, 0), 1},
		{"soon after the beginning", time.Unix(2, 0), 1},
		{"just now", now, 1},
		{"just now, without a monotonic reading", now.Round(0).Add(-time.Nanosecond), 1},
		{"in 500 years", now.Add(math.MaxInt64).Add(math.MaxInt64), math.MaxInt64},
	} {
		if got := loopTime(loop, tt.when); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.what, got, tt.want)
		}
	}
	for _, when := range []time.Time{time.Now().Add(time.Hour), time.Now().Add(time.Hour).Round(0)} {
		before := loop.Now() + int64(time.Hour)
		got := loopTime(loop, when)
		if late := before - got; late < -int64(time.Minute) || late > int64(time.Minute) {
			t.Errorf("in an hour is %v off", time.Duration(late))
		}
	}
}
