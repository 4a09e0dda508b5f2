package report

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirgo/weir/stress/load"
)

// sample is a document with a bit of everything.
func sample(t *testing.T, scale float64) *Document {
	t.Helper()
	side := func(name string, f float64) Side {
		s := Side{Name: name}
		for i := range 8 {
			v := f * (100 + float64(i)/10)
			s.Rate, s.P50, s.P99 = append(s.Rate, 1000*v), append(s.P50, 10*v), append(s.P99, 20*v)
			s.CPU, s.Allocs = append(s.CPU, 30*v), append(s.Allocs, 1)
		}
		return s
	}
	d := &Document{Title: "a <title>", Command: []string{"stress", "x&y"}, Machine: ThisMachine(), Notes: []string{"a note"},
		Started: time.Unix(0, 0), Comparisons: []Comparison{{Workload: "echo", Counts: "conns", Ops: "trips",
			Details: "of a test", Rows: []Row{
				{"auto", 1, []Side{side("std", 1), side("weir", scale)}, Ratio{scale, scale - 0.1, scale + 0.1}, Ratio{0.5, 0.4, 0.6}},
				{"auto", 64, []Side{side("std", 2), side("weir", 2*scale)}, Ratio{scale, scale, scale}, Ratio{1, 1, 1}},
				{"thread", 64, []Side{side("std", 2), side("weir", 2*scale)}, Ratio{scale, scale, scale}, Ratio{}},
			}}}}
	n := 0
	r, err := load.Run(t.Context(), load.Config{Workers: 2, Interval: 10 * time.Millisecond,
		Start: func(context.Context, int) (load.Worker, error) {
			return load.Worker{Op: func(context.Context) error {
				if n++; n%7 == 0 {
					return &load.Fault{What: load.Doubled}
				}
				return nil
			}}, nil
		},
		Phases: []load.Phase{{Name: "warm-up", Time: 10 * time.Millisecond, Discard: true, Schedule: load.Constant(1000)},
			{Name: "steady", Time: 50 * time.Millisecond, Schedule: load.Constant(1000)}}})
	if err != nil {
		t.Fatal(err)
	}
	d.Loads = []Load{{Target: "http://x/", Side: "net", Result: r, Accounts: &load.Accounts{Right: 5},
		Found: &load.Found{Rate: 100, Trials: []load.Trial{{Rate: 100, Met: true, Phase: r.Phases[1]},
			{Rate: 200, Why: "too slow", Phase: r.Phases[1]}}}, Goal: "p99 10ms"}}
	return d
}

// A report in each format has the figures, and can be read by what reads such files.
func TestFormats(t *testing.T) {
	d := sample(t, 2)
	dir := t.TempDir()
	text := map[string]string{}
	for _, f := range Formats {
		var b bytes.Buffer
		if err := d.Write(&b, f); err != nil {
			t.Fatal(f, err)
		}
		text[f] = b.String()
		if err := d.WriteFile(filepath.Join(dir, "report."+f)); err != nil {
			t.Error(err)
		}
	}
	for _, f := range []string{"txt", "md", "html"} {
		for _, want := range []string{"echo", "steady", "100,350", "x2.00", "1.90-2.10", "doubled answer", "a note",
			"too slow", "100/s"} {
			if !strings.Contains(text[f], want) {
				t.Errorf("%q is not in %s:\n%s", want, f, text[f])
			}
		}
	}
	const rounds = 3 * 2 * 8
	intervals := len(d.Loads[0].Result.Phases[1].Series)
	if got, err := csv.NewReader(strings.NewReader(text["csv"])).ReadAll(); err != nil || len(got) != 1+rounds+intervals {
		t.Errorf("CSV has %d lines, %v; want %d", len(got), err, 1+rounds+intervals)
	}
	lines := 0
	for line := range strings.Lines(text["jsonl"]) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Source == "" || r.Side == "" {
			t.Errorf("%q: %v", line, err)
		}
		lines++
	}
	if lines != rounds+intervals {
		t.Errorf("%d lines of JSON, want %d", lines, rounds+intervals)
	}
	back, err := ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := back.Loads[0].Result.Phases[1].Latency.Quantile(0.99), d.Loads[0].Result.Phases[1].Latency.Quantile(
		0.99); got != want {
		t.Errorf("p99 was %v, and is %v", want, got)
	}
	for _, bad := range []string{"report", "report.pdf"} {
		if err := d.WriteFile(filepath.Join(dir, bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	if _, err := ReadFile(filepath.Join(dir, "report.csv")); err == nil {
		t.Error("CSV is read as a report")
	}
}

// The page is whole, escapes what it shows, and loads nothing.
func TestPage(t *testing.T) {
	var b bytes.Buffer
	if err := sample(t, 2).Write(&b, "html"); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if n := strings.Count(page, "<svg"); n != 3+5+1 {
		t.Errorf("%d plots, want 3 of the comparison, 5 of the load and one of the search", n)
	}
	for _, svg := range regexp.MustCompile(`<svg.*?</svg>`).FindAllString(page, -1) {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); err != nil {
				if err.Error() != "EOF" {
					t.Errorf("a plot is no XML: %v", err)
				}
				break
			}
		}
	}
	if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") || !strings.Contains(page, "a &lt;title&gt;") {
		t.Error("the page has figures that are none, or text that is not escaped")
	}
	if at := regexp.MustCompile(`(?i)<script|src=|href=|url\(|@import`).FindString(page); at != "" {
		t.Errorf("the page loads something: %s", at)
	}
}

// Two reports that differ are told apart, and two that do not are not.
func TestCompare(t *testing.T) {
	a, b := sample(t, 2), sample(t, 3)
	a.Loads, b.Loads = nil, nil
	changes, alone := Compare(a, b)
	if len(changes) != 3*6 || len(alone) != 0 {
		t.Fatalf("%d figures, %v alone", len(changes), alone)
	}
	for _, c := range changes {
		if weir := strings.HasSuffix(c.Name, "weir"); c.Significant != weir || c.Before.Lo > c.Before.Center ||
			c.Before.Hi < c.Before.Center || c.Before.Hi == c.Before.Lo {
			t.Errorf("%s %s: %v to %v, significant %v", c.Name, c.Unit, c.Before, c.After, c.Significant)
		}
	}
	var out strings.Builder
	if err := WriteCompare(&out, a, b); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "+50.0") || !strings.Contains(text, "~") {
		t.Errorf("table:\n%s", text)
	}
	b.Comparisons[0].Rows[0].Count = 7
	if _, alone = Compare(a, b); len(alone) != 12 {
		t.Errorf("%d figures are in one report only, want 12: %v", len(alone), alone)
	}
}

// Axes have ticks within their bounds, and a few.
func TestTicks(t *testing.T) {
	for _, a := range []axis{{0, 1, false, 0, 1}, {0.3, 0.31, false, 0, 1}, {0, 1e6, false, 0, 1}, {1, 1e9, true, 0, 1},
		{0.5, 70, true, 0, 1}, {900, 1100, true, 0, 1}} {
		ticks := a.ticks()
		if len(ticks) < 1 || len(ticks) > 11 {
			t.Errorf("%+v: ticks %v", a, ticks)
		}
		for _, v := range ticks {
			if v < a.lo*0.99 || v > a.hi*1.01+1e-9 {
				t.Errorf("%+v: a tick at %v", a, v)
			}
		}
	}
}
