package report

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/weirgo/weir/stress/load"
)

// figures is a table of text: what the table, Markdown and the page have in common.
type figures struct {
	head []string
	rows [][]string
}

// table of a comparison.
func (c *Comparison) figures() figures {
	f := figures{head: []string{"drive", c.Counts, "side", c.Ops + "/s", "p50", "p99", "CPU/op", "allocs/op", "rate",
		"(rounds)", "CPU", "(rounds)"}}
	for _, r := range c.Rows {
		for i, s := range r.Sides {
			row := []string{r.Drive, strconv.Itoa(r.Count), s.Name, rate(median(s.Rate)), short(median(s.P50)),
				short(median(s.P99)), short(median(s.CPU)), strconv.FormatFloat(median(s.Allocs), 'f', 2, 64)}
			if i == 0 {
				row = append(row, "", "", "", "")
			} else {
				row[0], row[1] = "", ""
				row = append(row, r.Rate.cells()...)
				row = append(row, r.CPU.cells()...)
			}
			f.rows = append(f.rows, row)
		}
	}
	return f
}

func (r Ratio) cells() []string {
	if r.Median == 0 {
		return []string{"-", ""}
	}
	f := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
	return []string{"x" + f(r.Median), f(r.Min) + "-" + f(r.Max)}
}

// quantiles are the columns of latency.
var quantiles = []struct {
	name string
	q    float64
}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1}}

// figures of the phases of a load.
func (l *Load) figures() figures {
	f := figures{head: []string{"phase", "schedule", "offered/s", "ops/s", "ops", "errors", "unserved"}}
	for _, q := range quantiles {
		f.head = append(f.head, q.name)
	}
	f.head = append(f.head, "lag p99", "clients' CPU/op")
	if l.Result == nil {
		return f
	}
	for _, p := range l.Result.Measured() {
		offered, lag := "", ""
		if p.Open {
			offered, lag = rate(p.Offered), short(float64(p.Lag.Quantile(0.99)))
		}
		row := []string{p.Name, p.Schedule, offered, rate(p.Rate), humanize.Comma(int64(p.Ops)),
			humanize.Comma(int64(p.Errors)), humanize.Comma(int64(p.Unserved + p.Unfinished))}
		for _, q := range quantiles {
			row = append(row, short(float64(p.Latency.Quantile(q.q))))
		}
		f.rows = append(f.rows, append(row, lag, short(float64(p.CPUPerOp()))))
	}
	return f
}

// limit are the trials of a search.
func (l *Load) limit() figures {
	f := figures{head: []string{"rate tried", "ops/s", "p50", "p99", "p99.9", "errors", "goal"}}
	for _, t := range l.Found.Trials {
		met := "met"
		if !t.Met {
			met = "missed: " + t.Why
		}
		h := t.Phase.Latency
		f.rows = append(f.rows, []string{rate(t.Rate), rate(t.Phase.Rate), short(float64(h.Quantile(0.5))),
			short(float64(h.Quantile(0.99))), short(float64(h.Quantile(0.999))), humanize.Comma(int64(t.Phase.Errors)), met})
	}
	return f
}

// says are the sentences beside a load's figures.
func (l *Load) says() []string {
	var all []string
	if f := l.Found; f != nil {
		switch {
		case f.Interrupted:
			all = append(all, "The search was interrupted; the highest rate that met the goal so far: "+rate(f.Rate)+"/s.")
		case f.Rate == 0:
			all = append(all, "No rate met the goal ("+l.Goal+").")
		default:
			all = append(all, "The highest rate that met the goal ("+l.Goal+"): "+rate(f.Rate)+"/s.")
		}
	}
	if a := l.Accounts; a != nil {
		text := "Messages checked: " + humanize.Comma(int64(a.Right)) + " right"
		for _, k := range sorted(a.Faults) {
			text += ", " + humanize.Comma(int64(a.Faults[k])) + " times " + k
		}
		all = append(all, text+".")
	}
	if l.Result == nil {
		return all
	}
	for _, p := range l.Result.Measured() {
		for _, k := range sorted(p.Kinds) {
			all = append(all, "Phase "+p.Name+": "+humanize.Comma(int64(p.Kinds[k]))+" operations failed: "+k+".")
		}
		if lag, of := p.Lag.Quantile(0.99), p.Latency.Quantile(0.5); p.Open && lag > of/2 && lag > 0 {
			all = append(all, "Phase "+p.Name+": the clients themselves were late by up to "+short(float64(lag))+
				" (p99), which is part of the latencies: the machine is too busy, or its timers are too coarse, for less.")
		}
		if n := p.Unserved + p.Unfinished; n > 0 {
			all = append(all, "Phase "+p.Name+": "+humanize.Comma(int64(n))+
				" operations that were due had no answer when it ended; they count with the time that they had waited.")
		}
	}
	return all
}

func sorted(m map[string]uint64) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// median of v, which may be empty.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func rate(v float64) string {
	if v < 100 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return humanize.Comma(int64(math.Round(v)))
}

// short prints nanoseconds with three digits.
func short(ns float64) string {
	if ns < 1 {
		return "0s"
	}
	unit := time.Duration(math.Pow(10, math.Floor(math.Log10(ns))-2))
	return time.Duration(ns).Round(max(unit, 1)).String()
}

// measured returns the phases that count of all loads, with their names.
func (d *Document) measured(f func(name string, l *Load, p *load.PhaseResult)) {
	for i := range d.Loads {
		l := &d.Loads[i]
		if l.Result == nil {
			continue
		}
		for _, p := range l.Result.Measured() {
			f(l.Target+"/"+l.Side+"/"+p.Name, l, p)
		}
	}
}
