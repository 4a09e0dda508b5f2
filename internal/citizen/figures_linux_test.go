package citizen

import (
	"runtime"
	"slices"
	"time"
)

// Bounds of what a figure of weir may be, beside std's.
const (
	p99Ratio   = 1.5
	worstRatio = 2
	// tick is the time for which Go lets a goroutine run before it preempts it: where there is one
	// more to wait for it is one more tick, and that is no fault.
	tick = 10 * time.Millisecond
	// noise is what the kernel's scheduler makes of few processors: a thread that is ready waits
	// for a slice of others, of 3 ms each, also of other programs. A fault of Go's scheduler is 10
	// to 100 times that.
	noise = 10 * time.Millisecond
	// few is the number of samples below which the worst and a hundredth are the same.
	few = 101
)

// crowd is how many Ps share a processor: ticks and slices last so many times as long.
func crowd(procs int) time.Duration {
	n := runtime.NumCPU()
	return time.Duration(max(1, (procs+n-1)/n))
}

// A figure is what one probe has measured in one run.
type figure struct {
	n               int
	p50, p99, worst time.Duration
}

func figureOf(d []time.Duration) figure {
	if len(d) == 0 {
		return figure{}
	}
	d = slices.Sorted(slices.Values(d))
	return figure{len(d), d[len(d)/2], d[len(d)*99/100], d[len(d)-1]}
}

// best is the best of two rounds.
func (f figure) best(g figure) figure {
	if f.n == 0 || g.n == 0 {
		return figure{}
	}
	return figure{min(f.n, g.n), min(f.p50, g.p50), min(f.p99, g.p99), min(f.worst, g.worst)}
}

// over is how much of what the bounds allow f takes, beside std: more than 1 is a fault, or noise.
// What one side has not measured says nothing: a probe without an answer is an error, and never
// gets here.
//
// turns is how many turns of Go's scheduler weir takes where std takes one: see setup.turns.
func (f figure) over(std figure, crowd, turns time.Duration) float64 {
	if f.n == 0 || std.n == 0 {
		return 0
	}
	x := float64(f.worst) / float64(turns*worstRatio*std.worst+crowd*(tick+noise))
	if min(f.n, std.n) >= few {
		x = max(x, float64(f.p99)/(p99Ratio*float64(turns*std.p99)+float64(crowd*noise)))
	}
	return x
}

// doubtful is a worst that is within the bounds and hardly noise. That std had one, too, in the
// same round may be chance.
func (f figure) doubtful(over float64, crowd time.Duration) bool {
	return over > 0.5 && f.worst > 4*crowd*(tick+noise)
}
