package report

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/perf/benchmath"

	"github.com/weirgo/weir/stress/load"
)

// Change is one figure of two reports.
type Change struct {
	Name        string               `json:"name"`
	Unit        string               `json:"unit"`
	Before      benchmath.Summary    `json:"before"` // median, and the interval that it lies in
	After       benchmath.Summary    `json:"after"`
	Test        benchmath.Comparison `json:"test"`
	Significant bool                 `json:"significant"`
}

// confidence of the intervals, and with that the probability of an error that is taken for none.
const confidence = 0.95

// Compare compares two reports figure by figure: medians with intervals of confidence, and the
// Mann-Whitney U-test, as benchstat does. The values are those of rounds, or of the intervals of a
// time series. Figures that only one report has are named in the second result.
func Compare(before, after *Document) ([]Change, []string) {
	a, names := before.samples()
	b, others := after.samples()
	thresholds := benchmath.DefaultThresholds
	var all []Change
	var alone []string
	for _, n := range names {
		if _, ok := b[n]; !ok {
			alone = append(alone, n.text+" "+n.unit+" (before)")
			continue
		}
		x, y := benchmath.NewSample(a[n], &thresholds), benchmath.NewSample(b[n], &thresholds)
		test := benchmath.AssumeNothing.Compare(x, y)
		all = append(all, Change{Name: n.text, Unit: n.unit, Before: benchmath.AssumeNothing.Summary(x, confidence),
			After: benchmath.AssumeNothing.Summary(y, confidence), Test: test, Significant: test.P <= test.Alpha})
	}
	for _, n := range others {
		if _, ok := a[n]; !ok {
			alone = append(alone, n.text+" "+n.unit+" (after)")
		}
	}
	return all, alone
}

// name is that of a figure.
type name struct{ text, unit string }

// samples are all figures, and their names in order.
func (d *Document) samples() (map[name][]float64, []name) {
	all := map[name][]float64{}
	var names []name
	add := func(text, unit string, v []float64) {
		n := name{text, unit}
		if _, ok := all[n]; !ok {
			names = append(names, n)
		}
		all[n] = append(all[n], v...)
	}
	for _, c := range d.Comparisons {
		for _, r := range c.Rows {
			for _, s := range r.Sides {
				text := fmt.Sprintf("%s/%s/%d/%s", c.Workload, r.Drive, r.Count, s.Name)
				add(text, "ops/s", s.Rate)
				add(text, "p99-ns", s.P99)
				add(text, "CPU-ns/op", s.CPU)
			}
		}
	}
	d.measured(func(text string, _ *Load, p *load.PhaseResult) {
		var rate, p50, p99 []float64
		for _, pt := range p.Series {
			rate, p50, p99 = append(rate, pt.Rate), append(p50, float64(pt.P50)), append(p99, float64(pt.P99))
		}
		if len(rate) > 0 {
			add(text, "ops/s", rate)
			add(text, "p50-ns", p50)
			add(text, "p99-ns", p99)
		}
	})
	return all, names
}

// WriteCompare writes the table of two reports.
func WriteCompare(w io.Writer, before, after *Document) error {
	changes, alone := Compare(before, after)
	var b strings.Builder
	fmt.Fprintf(&b, "before: %s, %s\nafter:  %s, %s\n\n", before.Title, before.Machine, after.Title, after.Machine)
	f := figures{head: []string{"figure", "unit", "before", "", "after", "", "change", "p", "n"}}
	for _, c := range changes {
		delta := "~"
		if c.Significant {
			delta = c.Test.FormatDelta(c.Before.Center, c.After.Center)
		}
		format := rate
		if strings.Contains(c.Unit, "ns") {
			format = short
		}
		p := fmt.Sprintf("%.3f", c.Test.P)
		f.rows = append(f.rows, []string{c.Name, c.Unit, format(c.Before.Center), "± " + c.Before.PctRangeString(),
			format(c.After.Center), "± " + c.After.PctRangeString(), delta, p,
			fmt.Sprintf("%d+%d", c.Test.N1, c.Test.N2)})
	}
	f.text(&b)
	fmt.Fprintf(&b, "\nMedians with intervals of %.0f %%; ~: no difference can be told (U-test, p above %g).\n",
		100*confidence, benchmath.DefaultThresholds.CompareAlpha)
	for _, n := range alone {
		fmt.Fprintf(&b, "only in one: %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
