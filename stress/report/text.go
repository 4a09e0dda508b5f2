package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/weirgo/weir/stress/load"
)

// table writes text for a terminal.
func (d *Document) table(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", d.Title, d.Machine)
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "%s\n", n)
	}
	for i := range d.Comparisons {
		c := &d.Comparisons[i]
		fmt.Fprintf(&b, "\n%s: %s\n\n", c.Workload, c.Details)
		c.figures().text(&b)
	}
	for i := range d.Loads {
		l := &d.Loads[i]
		fmt.Fprintf(&b, "\n%s, clients on %s\n\n", l.Target, l.Side)
		if l.Found != nil {
			l.limit().text(&b)
		}
		if l.Result != nil {
			l.figures().text(&b)
		}
		for _, s := range l.says() {
			fmt.Fprintln(&b, s)
		}
	}
	d.ending(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (d *Document) ending(b *strings.Builder) {
	if d.Interrupted {
		b.WriteString("\nInterrupted: this is what had been measured until then.\n")
	}
	if d.Err != "" {
		fmt.Fprintf(b, "\nFailed: %s\n", d.Err)
	}
}

func (f figures) text(b *strings.Builder) {
	var out strings.Builder
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range append([][]string{f.head}, f.rows...) {
		fmt.Fprintln(t, strings.Join(row, "\t")+"\t")
	}
	t.Flush() // a Builder takes everything
	for line := range strings.Lines(out.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
}

// markdown writes text for a document.
func (d *Document) markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n`%s`\n\n%s; %s\n", d.Title, strings.Join(d.Command, " "), d.Machine,
		d.Started.UTC().Format("2006-01-02 15:04 UTC"))
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	for i := range d.Comparisons {
		c := &d.Comparisons[i]
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", c.Workload, c.Details)
		c.figures().markdown(&b)
	}
	for i := range d.Loads {
		l := &d.Loads[i]
		fmt.Fprintf(&b, "\n## %s\n\nClients on %s.\n\n", l.Target, l.Side)
		if l.Found != nil {
			l.limit().markdown(&b)
			b.WriteByte('\n')
		}
		if l.Result != nil {
			l.figures().markdown(&b)
		}
		for _, s := range l.says() {
			fmt.Fprintf(&b, "\n%s\n", s)
		}
	}
	d.ending(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (f figures) markdown(b *strings.Builder) {
	escape := strings.NewReplacer("|", `\|`)
	for i, row := range append([][]string{f.head}, f.rows...) {
		for _, cell := range row {
			b.WriteString("| " + escape.Replace(cell) + " ")
		}
		if b.WriteString("|\n"); i == 0 {
			b.WriteString(strings.Repeat("|---", len(f.head)) + "|\n")
		}
	}
}

// record is one line of JSON lines and of CSV: a figure of one round, or of one interval.
type record struct {
	Source string  `json:"source"` // "echo", or the target
	Drive  string  `json:"drive,omitempty"`
	Count  int     `json:"count"` // connections, workers
	Side   string  `json:"side"`
	Phase  string  `json:"phase,omitempty"`
	N      int     `json:"n"` // of the round or interval, from 0
	Rate   float64 `json:"ops_per_s"`
	P50    float64 `json:"p50_ns"`
	P99    float64 `json:"p99_ns"`
	CPU    float64 `json:"cpu_ns_per_op"`
	Errors uint64  `json:"errors"`
}

func (d *Document) records() []record {
	var all []record
	for _, c := range d.Comparisons {
		for _, r := range c.Rows {
			for _, s := range r.Sides {
				for i := range s.Rate {
					all = append(all, record{Source: c.Workload, Drive: r.Drive, Count: r.Count, Side: s.Name, N: i,
						Rate: s.Rate[i], P50: s.P50[i], P99: s.P99[i], CPU: s.CPU[i]})
				}
			}
		}
	}
	d.measured(func(_ string, l *Load, p *load.PhaseResult) {
		for i, pt := range p.Series {
			all = append(all, record{Source: l.Target, Count: l.Result.Workers, Side: l.Side, Phase: p.Name, N: i,
				Rate: pt.Rate, P50: float64(pt.P50), P99: float64(pt.P99), CPU: float64(pt.CPU) / float64(max(pt.Ops, 1)),
				Errors: pt.Errors})
		}
	})
	return all
}

func (d *Document) lines(w io.Writer) error {
	e := json.NewEncoder(w)
	for _, r := range d.records() {
		if err := e.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func (d *Document) csv(w io.Writer) error {
	c := csv.NewWriter(w)
	c.Write([]string{"source", "drive", "count", "side", "phase", "n", "ops_per_s", "p50_ns", "p99_ns", "cpu_ns_per_op",
		"errors"})
	num := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	for _, r := range d.records() {
		c.Write([]string{r.Source, r.Drive, strconv.Itoa(r.Count), r.Side, r.Phase, strconv.Itoa(r.N), num(r.Rate),
			num(r.P50), num(r.P99), num(r.CPU), strconv.FormatUint(r.Errors, 10)})
	}
	c.Flush()
	return c.Error()
}
