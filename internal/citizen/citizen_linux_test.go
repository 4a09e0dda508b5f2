package citizen

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/weirgo/weir/internal/sys"
)

var (
	form = flag.String("form", "",
		"how much to run: core, short, long; empty: the core on the default backend and drive, in seconds")
	only   = flag.String("rows", "", "rows to run, a regular expression: instead of those of the form")
	sides  = flag.String("sides", "", "backends and drives to run, as in io_uring/auto,std: instead of the form's")
	procs  = flag.String("procs", "", "values of GOMAXPROCS to run, as in 1,2,8: instead of the form's")
	window = flag.Duration("window", 300*time.Millisecond, "how long each run measures")
	tries  = flag.Int("tries", 8, "rounds in which a figure may be found within its bounds")
)

// A cell is one row on one setup.
type cell struct {
	row    row
	setup  setup
	info   string             // the backend and drive that there were
	best   map[string]verdict // by probe
	err    error              // of the last round, if that failed
	rounds int
	green  bool
}

// A verdict is what rounds have said about one figure: the best of each side.
type verdict struct {
	std, weir figure
	over      float64
}

func TestCitizen(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("the race detector takes more of the CPU than what is measured")
	}
	if testing.Short() {
		t.Skip("it measures, for seconds: without -short, and .ci/citizen runs all of it")
	}
	plan := planned(t)
	dir := t.TempDir()
	if err := makeFiles(dir); err != nil {
		t.Fatal(err)
	}
	table := new(strings.Builder)
	columns := tabwriter.NewWriter(table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "row\tprocs\tbeside it\tstd p50 p99 worst\tweir\tp50 p99 worst\tof the bound\t")
	for _, group := range plan {
		settle(t, dir, group)
		for _, c := range group {
			c.print(columns)
			c.judge(t)
		}
	}
	columns.Flush()
	t.Logf("figures in ms\n%s", table)
}

// settle runs the cells of a group, which have the row and GOMAXPROCS in common, in rounds, std
// first in each, until all are green or the rounds are used up.
func settle(t *testing.T, dir string, group []*cell) {
	for n := range *tries {
		var std *outcome
		for _, c := range group {
			if c.green {
				continue
			}
			if std == nil {
				time.Sleep(time.Duration(n) * 200 * time.Millisecond) // what disturbs the machine may be over then
				var err error
				if std, err = run(c.row, setup{procs: c.setup.procs}, dir, *window); errors.Is(err, errSkip) {
					for _, c := range group {
						c.skip(t, err)
					}
					return
				} else if err != nil {
					t.Logf("%s: this round of std failed: %v", c.row.name, err)
					break
				}
			}
			c.round(t, dir, std)
		}
	}
}

func (c *cell) skip(t *testing.T, reason error) {
	t.Logf("%s is left out: %v", c, reason)
	c.green = true
}

// round runs a cell once, beside what std did in the same round.
func (c *cell) round(t *testing.T, dir string, std *outcome) {
	var weir *outcome
	if weir, c.err = run(c.row, c.setup, dir, *window); errors.Is(c.err, errSkip) {
		c.skip(t, c.err)
		c.err = nil
		return
	}
	if c.err != nil {
		return
	}
	if c.err = profiles(std.profile, weir.profile); c.err != nil {
		return
	}
	c.info = weir.info
	c.rounds++
	c.green = true
	for name, d := range weir.samples {
		v := verdict{std: figureOf(std.samples[name]), weir: figureOf(d)}
		if old, ok := c.best[name]; ok {
			v = verdict{std: old.std.best(v.std), weir: old.weir.best(v.weir)}
		}
		crowd := crowd(c.setup.procs)
		v.over = v.weir.over(v.std, crowd, c.setup.turns(name))
		c.best[name] = v
		if v.over > 1 || v.weir.doubtful(v.over, crowd) && c.rounds < *tries {
			c.green = false
		}
	}
}

// profiles compares what runs say about the CPU profile, and about what goroutines wait for.
func profiles(std, weir profile) error {
	if std.Used > 0 {
		rate := func(p profile) float64 { return float64(p.Samples) / p.Used.Seconds() }
		if rate(weir) < rate(std)/2 {
			return fmt.Errorf("the CPU profile has %.0f samples for a second of CPU time, and std's %.0f", rate(weir),
				rate(std))
		}
	}
	for state := range weir.Waits {
		if waitsAreNamed && !slices.Contains([]string{"IO wait", "runnable", "running", "syscall"}, state) {
			return fmt.Errorf("goroutines that serve connections wait, in stack dumps, for %q", state)
		}
	}
	return nil
}

// judge fails the test if the cell is not green.
func (c *cell) judge(t *testing.T) {
	if c.green {
		return
	}
	if c.err != nil {
		t.Errorf("%s: %v", c, c.err)
	}
	for _, p := range c.names() {
		if v := c.best[p]; v.over > 1 {
			t.Errorf("%s: %s takes %s (p50, p99, worst), beside std's %s: %.1f of the bound", c, p, v.weir, v.std,
				v.over)
		}
	}
}

func (c *cell) String() string {
	return fmt.Sprintf("%s on %s with GOMAXPROCS %d", c.row.name, c.name(), c.setup.procs)
}

func (c *cell) name() string { return cmp.Or(c.info, c.setup.String()) }

// names are the figures of a cell in the order of the row's probes, and then the others.
func (c *cell) names() []string {
	var names []string
	for _, p := range c.row.probes {
		names = append(names, p.name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.best)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (c *cell) print(w io.Writer) {
	for _, name := range c.names() {
		v, ok := c.best[name]
		if !ok {
			continue
		}
		mark := ""
		if v.over > 1 {
			mark = "RED"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%.2f\t%s\n",
			c.row.name, c.setup.procs, name, v.std, c.name(), v.weir, v.over, mark)
	}
	if c.err != nil {
		fmt.Fprintf(w, "%s\t%d\t\t\t%s\t%v\t\tRED\n", c.row.name, c.setup.procs, c.name(), c.err)
	}
}

func (f figure) String() string {
	ms := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds()*1e3, 'f', 2, 64) }
	return ms(f.p50) + " " + ms(f.p99) + " " + ms(f.worst)
}
