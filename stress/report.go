package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/stress/report"
)

// Report is the result of a run, and the JSON that is printed. Times are nanoseconds.
type Report struct {
	Workload    string        `json:"workload"` // "echo", "file", "http", "pingpong", "udp"
	Counts      string        `json:"counts"`   // what Row.Count counts: "goroutines", "pairs", "connections"
	Operation   string        `json:"operation"`
	Details     string        `json:"details"`
	Rounds      int           `json:"rounds"`
	Time        time.Duration `json:"time_ns"` // measured for each side and round
	Seed        uint64        `json:"seed"`
	System      string        `json:"system"`
	Go          string        `json:"go"`
	Procs       int           `json:"gomaxprocs"`
	CPUs        int           `json:"cpus"`
	Interrupted bool          `json:"interrupted"`
	Control     bool          `json:"control,omitempty"` // what stands as weir's is std's, too
	Drives      []Drive       `json:"drives"`
	Rows        []Row         `json:"rows"`
}

// Drive is what weir ran on.
type Drive struct {
	Name  string    `json:"name"`
	Info  aio.Info  `json:"info"`
	Stats aio.Stats `json:"stats"` // of everything that ran on it
}

// Row compares the two sides for one number of workers.
type Row struct {
	Drive  string  `json:"drive"`
	Count  int     `json:"count"`
	Std    Figures `json:"std"`  // packages net and os: medians of the rounds
	Weir   Figures `json:"weir"` // medians of the rounds
	Rate   Ratio   `json:"rate_ratio"`
	CPU    Ratio   `json:"cpu_ratio"`
	Rounds []Round `json:"rounds"`
}

// Round is one measurement of each side.
type Round struct {
	Std       Figures `json:"std"`
	Weir      Figures `json:"weir"`
	WeirFirst bool    `json:"weir_first"`
}

// Ratio is weir's figure divided by the other side's: the median over the rounds, and how far they
// lie apart.
type Ratio struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Figures are what was measured of one side. An operation is one of the workload's: a block, a
// round trip.
type Figures struct {
	Ops           uint64  `json:"ops"`
	Rate          float64 `json:"ops_per_s"`
	P50           int64   `json:"p50_ns"`
	P99           int64   `json:"p99_ns"`
	Max           int64   `json:"max_ns"`
	CPUPerOp      float64 `json:"cpu_ns_per_op"` // user and system time of the process
	AllocsPerOp   float64 `json:"allocs_per_op"`
	SwitchesPerOp float64 `json:"context_switches_per_op"`

	// Of weir only. There may be several of weir's operations in one of the workload's.
	SQEsPerEnter  float64 `json:"sqes_per_enter,omitempty"`  // 0: nothing went through a loop
	Direct        float64 `json:"direct,omitempty"`          // share of weir's operations that callers did themselves
	SyscallsPerOp float64 `json:"syscalls_per_op,omitempty"` // of loops, and of callers that did the work themselves
	WakesPerOp    float64 `json:"wakes_per_op,omitempty"`    // goroutines woken by loops
}

func newReport(c *config, w workload) *Report {
	r := &Report{
		Rounds: c.rounds, Time: c.time, Seed: c.seed, Control: c.control,
		Go: runtime.Version(), Procs: runtime.GOMAXPROCS(0), CPUs: runtime.NumCPU(),
	}
	r.Workload, r.Counts, r.Operation, r.Details = w.describe()
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		r.System = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	return r
}

// summarize computes the medians and ratios from the rounds.
func (r *Row) summarize() {
	r.Std = medians(r.Rounds, func(r *Round) *Figures { return &r.Std })
	r.Weir = medians(r.Rounds, func(r *Round) *Figures { return &r.Weir })
	r.Rate = ratio(r.Rounds, func(f *Figures) float64 { return f.Rate })
	r.CPU = ratio(r.Rounds, func(f *Figures) float64 { return f.CPUPerOp })
}

func medians(rounds []Round, side func(*Round) *Figures) Figures {
	of := func(get func(*Figures) float64) float64 {
		var v []float64
		for i := range rounds {
			v = append(v, get(side(&rounds[i])))
		}
		return median(v)
	}
	return Figures{
		Ops:           uint64(of(func(f *Figures) float64 { return float64(f.Ops) })),
		Rate:          of(func(f *Figures) float64 { return f.Rate }),
		P50:           int64(of(func(f *Figures) float64 { return float64(f.P50) })),
		P99:           int64(of(func(f *Figures) float64 { return float64(f.P99) })),
		Max:           int64(of(func(f *Figures) float64 { return float64(f.Max) })),
		CPUPerOp:      of(func(f *Figures) float64 { return f.CPUPerOp }),
		AllocsPerOp:   of(func(f *Figures) float64 { return f.AllocsPerOp }),
		SwitchesPerOp: of(func(f *Figures) float64 { return f.SwitchesPerOp }),
		SQEsPerEnter:  of(func(f *Figures) float64 { return f.SQEsPerEnter }),
		Direct:        of(func(f *Figures) float64 { return f.Direct }),
		SyscallsPerOp: of(func(f *Figures) float64 { return f.SyscallsPerOp }),
		WakesPerOp:    of(func(f *Figures) float64 { return f.WakesPerOp }),
	}
}

func ratio(rounds []Round, get func(*Figures) float64) Ratio {
	var v []float64
	for i := range rounds {
		if std := get(&rounds[i].Std); std > 0 {
			v = append(v, get(&rounds[i].Weir)/std)
		}
	}
	if len(v) == 0 {
		return Ratio{}
	}
	return Ratio{median(v), slices.Min(v), slices.Max(v)}
}

// median sorts v, which is not empty.
func median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// comparison is the report as a part of a document.
func (r *Report) comparison() report.Comparison {
	c := report.Comparison{Workload: r.Workload, Counts: r.Counts, Ops: r.Operation, Details: r.Details}
	second := "weir"
	if r.Control {
		c.Workload, second = "control: "+r.Workload, "std again"
		c.Details += "; both sides are packages net and os"
	}
	for _, row := range r.Rows {
		std, weir := report.Side{Name: "std"}, report.Side{Name: second}
		for _, round := range row.Rounds {
			round.Std.addTo(&std)
			round.Weir.addTo(&weir)
		}
		c.Rows = append(c.Rows, report.Row{Drive: row.Drive, Count: row.Count, Sides: []report.Side{std, weir},
			Rate: report.Ratio(row.Rate), CPU: report.Ratio(row.CPU)})
	}
	return c
}

func (f *Figures) addTo(s *report.Side) {
	s.Rate = append(s.Rate, f.Rate)
	s.P50 = append(s.P50, float64(f.P50))
	s.P99 = append(s.P99, float64(f.P99))
	s.CPU = append(s.CPU, f.CPUPerOp)
	s.Allocs = append(s.Allocs, f.AllocsPerOp)
}

func (r *Report) writeJSON(w io.Writer) error { return writeIndented(w, r) }

// writeIndented writes JSON for people, too.
func writeIndented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeTable prints two lines for each row: the ratios stand in weir's.
func (r *Report) writeTable(w io.Writer) error {
	fmt.Fprintf(w, "%s: %s\n", r.Workload, r.Details)
	fmt.Fprintf(w, "%s of %v for each side; seed %d; %s, %s, GOMAXPROCS %d, %s\n", plural(r.Rounds, "round"), r.Time,
		r.Seed, r.System, r.Go, r.Procs, plural(r.CPUs, "CPU"))
	for _, d := range r.Drives {
		fmt.Fprintf(w, "drive %s: %s (%s), %s; %s\n", d.Name, d.Info.Backend, d.Info.Reason,
			plural(d.Info.Loops, "loop"), d.Info.Detail)
	}
	fmt.Fprintln(w)
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "drive\t%s\tside\t%s/s\tp50\tp99\tCPU/op\tallocs/op\tdirect\tSQEs/enter\t"+
		"rate\t(rounds)\tCPU\t(rounds)\t\n", r.Counts, r.Operation)
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%d\tstd\t%s\t\t\t\t\t\t\n", row.Drive, row.Count, row.Std.cells())
		fmt.Fprintf(t, "\t\tweir\t%s\t%.0f%%\t%s\t%s\t%s\t\n", row.Weir.cells(), 100*row.Weir.Direct,
			batch(row.Weir.SQEsPerEnter), row.Rate.cells(), row.CPU.cells())
	}
	t.Flush() // a Builder takes everything
	for line := range strings.Lines(table.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

func (f *Figures) cells() string {
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%.2f", humanize.Comma(int64(f.Rate)), short(float64(f.P50)),
		short(float64(f.P99)), short(f.CPUPerOp), f.AllocsPerOp)
}

func (r Ratio) cells() string {
	if r.Median == 0 {
		return "-\t"
	}
	return fmt.Sprintf("x%.2f\t%.2f-%.2f", r.Median, r.Min, r.Max)
}

func batch(n float64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatFloat(n, 'f', 1, 64)
}

// short prints nanoseconds with three digits.
func short(ns float64) string {
	if ns < 1 {
		return "0s"
	}
	unit := time.Duration(math.Pow(10, math.Floor(math.Log10(ns))-2))
	return time.Duration(ns).Round(max(unit, 1)).String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
