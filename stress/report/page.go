package report

import (
	_ "embed"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirgo/weir/stress/load"
)

//go:embed page.html
var page string

var pageTemplate = template.Must(template.New("page").Parse(page))

// section is a part of the page.
type section struct {
	Title, Details string
	Plots          []template.HTML
	Tables         []pageTable
	Says           []string
}

type pageTable struct {
	Head []string
	Rows [][]string
}

// html writes one page that loads nothing.
func (d *Document) html(w io.Writer) error {
	view := struct {
		*Document
		Call, When, Lasted string
		Sections           []section
	}{Document: d, Call: strings.Join(d.Command, " "), When: d.Started.UTC().Format("2006-01-02 15:04 UTC"),
		Lasted: d.Took.Round(time.Second).String()}
	for i := range d.Comparisons {
		view.Sections = append(view.Sections, d.Comparisons[i].section())
	}
	for i := range d.Loads {
		view.Sections = append(view.Sections, d.Loads[i].section())
	}
	return pageTemplate.Execute(w, view)
}

func (f figures) page() pageTable { return pageTable{f.head, f.rows} }

func draw(plots ...*plot) []template.HTML {
	var all []template.HTML
	for _, p := range plots {
		if s := p.svg(); s != "" {
			all = append(all, template.HTML(s)) // plot.svg escapes all text
		}
	}
	return all
}

func times(v float64) string { return "x" + strconv.FormatFloat(v, 'g', 3, 64) }

func count(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// section of a comparison: rate and CPU time against the number of workers, and the ratios.
func (c *Comparison) section() section {
	s := section{Title: c.Workload, Details: c.Details, Tables: []pageTable{c.figures().page()}}
	rates := &plot{title: "Rate", x: c.Counts, y: c.Ops + "/s", fromZero: true, formatY: si}
	cpus := &plot{title: "CPU time of one operation", x: c.Counts, y: "CPU time", fromZero: true, formatY: short}
	ratios := &plot{title: "Ratios, and the range of their rounds", x: c.Counts, y: "ratio", mark: 1, fromZero: true,
		formatY: times}
	var counts []int
	for _, r := range c.Rows {
		if !slices.Contains(counts, r.Count) {
			counts = append(counts, r.Count)
		}
		at := float64(r.Count)
		for _, side := range r.Sides {
			name := side.Name
			if r.Drive != "" && side.Name != "std" {
				name += " " + r.Drive
			}
			rates.add(name, around(at, side.Rate))
			cpus.add(name, around(at, side.CPU))
		}
		drive := strings.TrimSpace(" " + r.Drive)
		ratios.add(strings.TrimSpace("rate "+drive), point{at, r.Rate.Median, r.Rate.Min, r.Rate.Max})
		ratios.add(strings.TrimSpace("CPU "+drive), point{at, r.CPU.Median, r.CPU.Min, r.CPU.Max})
	}
	for _, p := range []*plot{rates, cpus, ratios} {
		p.logX, p.formatX = true, count
		for _, n := range counts {
			p.ticksX = append(p.ticksX, tick{float64(n), strconv.Itoa(n)})
		}
	}
	s.Plots = draw(rates, cpus, ratios)
	return s
}

// add adds a point to the line of that name. Points of one place are of different drives: std's.
func (p *plot) add(name string, pt point) {
	for i := range p.lines {
		if p.lines[i].name == name {
			for _, there := range p.lines[i].points {
				if there.x == pt.x {
					return
				}
			}
			p.lines[i].points = append(p.lines[i].points, pt)
			return
		}
	}
	p.lines = append(p.lines, curve{name, []point{pt}})
}

func around(x float64, v []float64) point {
	if len(v) == 0 {
		return point{x: x}
	}
	return point{x, median(v), slices.Min(v), slices.Max(v)}
}

// si prints a number with three digits and a prefix.
func si(v float64) string {
	for _, p := range []struct {
		at   float64
		text string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= p.at {
			return strconv.FormatFloat(v/p.at, 'g', 3, 64) + p.text
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// section of a load: the distribution of latencies, and the time series.
func (l *Load) section() section {
	s := section{Title: l.Target, Details: "Clients on " + l.Side + ".", Says: l.says()}
	if l.Found != nil {
		s.Tables = append(s.Tables, l.limit().page())
		s.Plots = draw(l.trials())
	}
	if l.Result == nil {
		return s
	}
	s.Tables = append(s.Tables, l.figures().page())
	quantiles := &plot{title: "Latency by percentile", x: "share of operations that took no longer", y: "latency",
		logX: true, logY: true, formatY: short}
	rates := &plot{title: "Rate", x: "time", y: "ops/s", fromZero: true, formatX: seconds, formatY: si}
	latencies := &plot{title: "Latency", x: "time", y: "latency", logY: true, formatX: seconds, formatY: short}
	errs := &plot{title: "Errors", x: "time", y: "errors/s", fromZero: true, formatX: seconds, formatY: si}
	cpu := &plot{title: "CPU time of the clients", x: "time", y: "CPUs", fromZero: true, formatX: seconds, formatY: si}
	for _, t := range []struct {
		q    float64
		text string
	}{{0, "0"}, {0.5, "50 %"}, {0.9, "90 %"}, {0.99, "99 %"}, {0.999, "99.9 %"}, {0.9999, "99.99 %"},
		{0.99999, "99.999 %"}} {
		quantiles.ticksX = append(quantiles.ticksX, tick{1 / (1 - t.q), t.text})
	}
	failed, start := false, time.Duration(0)
	for _, p := range l.Result.Phases {
		if !p.Discard {
			quantiles.lines = append(quantiles.lines, curve{p.Name, percentiles(p.Latency)})
		}
		for _, pt := range p.Series {
			x := (start + pt.At).Seconds()
			rates.add("answers", point{x: x, y: pt.Rate})
			latencies.add("p50", point{x: x, y: float64(pt.P50)})
			latencies.add("p99", point{x: x, y: float64(pt.P99)})
			latencies.add("max", point{x: x, y: float64(pt.Max)})
			errs.add("errors", point{x: x, y: float64(pt.Errors) / max(pt.Time.Seconds(), 1e-9)})
			cpu.add("CPU", point{x: x, y: pt.CPU.Seconds() / max(pt.Time.Seconds(), 1e-9)})
			failed = failed || pt.Errors > 0
		}
		start += p.Took
	}
	s.Plots = append(s.Plots, draw(quantiles, rates, latencies, cpu)...)
	if failed {
		s.Plots = append(s.Plots, draw(errs)...)
	}
	return s
}

func seconds(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) + "s" }

// percentiles are the points of a distribution over 1/(1-q).
func percentiles(h *load.Histogram) []point {
	n := float64(h.Count())
	if n == 0 {
		return nil
	}
	var all []point
	for x := 1.0; x <= n; x *= 1.2589 { // ten points for each nine
		all = append(all, point{x: x, y: float64(h.Quantile(max(1-1/x, 1/n)))})
	}
	return append(all, point{x: math.Max(n, 1), y: float64(h.Max())})
}

// trials of a search: what was offered against the latencies.
func (l *Load) trials() *plot {
	p := &plot{title: "Latency against rate", x: "operations a second", y: "latency", logY: true, formatX: si, formatY: short}
	trials := slices.Clone(l.Found.Trials)
	slices.SortFunc(trials, func(a, b load.Trial) int { return int(a.Rate - b.Rate) })
	for _, t := range trials {
		h := t.Phase.Latency
		p.add("p50", point{x: t.Rate, y: float64(h.Quantile(0.5))})
		p.add("p99", point{x: t.Rate, y: float64(h.Quantile(0.99))})
		p.add("p99.9", point{x: t.Rate, y: float64(h.Quantile(0.999))})
	}
	return p
}
