package torment

import (
	"math"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/weirgo/weir/aio"
)

// Soak looks at what the process holds, again and again, and says what grows.
type Soak struct {
	every time.Duration
	at    []float64 // hours
	held  map[string][]float64
	start time.Time
}

// NewSoak looks at every interval.
func NewSoak(every time.Duration) *Soak {
	return &Soak{every: max(every, time.Millisecond), held: map[string][]float64{}, start: time.Now()}
}

// leaky are the names of what must not grow, with those that may for a while: memory.
var leaky = []struct {
	name string
	leak bool
}{{"goroutines", true}, {"descriptors", true}, {"operations in flight", true}, {"heap bytes", false}, {"resident bytes", false}}

// Look is for Plan.Watch: it is called often, and looks once an interval.
func (s *Soak) Look(io *aio.IO) {
	now := time.Since(s.start)
	if len(s.at) > 0 && now < time.Duration(len(s.at)+1)*s.every {
		return
	}
	h := look()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	values := map[string]float64{"goroutines": float64(h.goroutines), "descriptors": float64(h.descriptors),
		"heap bytes": float64(m.HeapAlloc), "resident bytes": resident()}
	if io != nil {
		n := int64(0)
		for _, l := range io.Snapshot(aio.SnapshotOptions{}).Loops {
			n += l.InFlight
		}
		values["operations in flight"] = float64(n)
	}
	s.add(now, values)
}

func (s *Soak) add(at time.Duration, values map[string]float64) {
	s.at = append(s.at, at.Hours())
	for name, v := range values {
		s.held[name] = append(s.held[name], v)
	}
}

// resident is the memory of this process, in bytes, as the system sees it.
func resident() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib := 0.0
			for _, c := range strings.TrimSpace(rest) {
				if c < '0' || c > '9' {
					break
				}
				kib = 10*kib + float64(c-'0')
			}
			return 1024 * kib
		}
	}
	return 0
}

// Slope is how something that the process holds has changed.
type Slope struct {
	Name        string
	First, Last float64 // the averages of the first and the last fifth
	PerHour     float64
	Error       float64 // of PerHour: half the interval of 95 %
	Grows       bool    // by more than chance, and by a tenth in the time that was looked at
	Leak        bool    // and must not
}

// Slopes fits a line through what was seen, without the first fifth, in which pools and caches
// fill. There are none before ten looks.
func (s *Soak) Slopes() []Slope {
	if len(s.at) < 10 {
		return nil
	}
	from := len(s.at) / 5
	x := s.at[from:]
	var all []Slope
	for _, l := range leaky {
		v := s.held[l.name]
		if len(v) != len(s.at) {
			continue
		}
		y := v[from:]
		slope, e := fit(x, y)
		fifth := max(1, len(y)/5)
		one := Slope{Name: l.name, First: mean(y[:fifth]), Last: mean(y[len(y)-fifth:]), PerHour: slope, Error: 2 * e}
		grown := slope * (x[len(x)-1] - x[0])
		one.Grows = slope > 3*e && grown > 0.1*one.First && grown >= 2
		one.Leak = one.Grows && l.leak
		all = append(all, one)
	}
	return all
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// fit is the slope of the line of least squares, and its standard error.
func fit(x, y []float64) (slope, err float64) {
	mx, my := mean(x), mean(y)
	var xx, xy, rest float64
	for i := range x {
		xx += (x[i] - mx) * (x[i] - mx)
		xy += (x[i] - mx) * (y[i] - my)
	}
	if xx == 0 || len(x) < 3 {
		return 0, math.Inf(1)
	}
	slope = xy / xx
	for i := range x {
		d := y[i] - my - slope*(x[i]-mx)
		rest += d * d
	}
	return slope, math.Sqrt(rest / float64(len(x)-2) / xx)
}
