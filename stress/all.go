package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/weirgo/weir/stress/report"
)

// allCmd compares everything that takes moments.
type allCmd struct {
	where
	Dir    string        `type:"existingdir" placeholder:"DIR" help:"Where files are made. Default: the system's temporary directory."`
	Rounds int           `default:"5" help:"Rounds for each line of the tables."`
	Time   time.Duration `default:"250ms" help:"Measured time for each side and round."`
}

// part is one workload of all.
type part struct {
	w       workload
	counts  []int
	control bool
	time    time.Duration // 0: allCmd.Time
	rounds  int           // 0: allCmd.Rounds
}

func (c *allCmd) parts(s *session) ([]part, error) {
	on, err := s.apart(true)
	if err != nil {
		return nil, err
	}
	all := []part{
		{w: &echo{size: 64}, counts: []int{1, 64}, control: true},
		{w: &echo{size: 64}, counts: []int{1, 64, 256}},
		{w: &pingpong{size: 64}, counts: []int{1, 64}},
		{w: &udp{size: 64, batch: true, on: on}, counts: []int{1, 64}},
	}
	if _, err := exec.LookPath("wrk"); err == nil {
		all = append(all, part{w: &httpHello{on: on}, counts: []int{1, 64}, time: max(time.Second, c.Time.Truncate(
			time.Second)), rounds: min(c.Rounds, 3)})
	} else {
		fmt.Fprintln(s.stderr, "stress: note: http is left out: wrk, which makes its load, is not installed")
	}
	return append(all, part{w: &file{dir: c.Dir, size: 64 << 20, block: 4 << 10, direct: true},
		counts: []int{1, 16, 64}}), nil
}

// Run measures part after part. What is measured before an error or an interrupt is kept.
func (c *allCmd) Run(s *session) error {
	if len(c.Out) == 0 {
		dir := filepath.Join(os.TempDir(), "weir-stress")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		c.Out = []string{filepath.Join(dir, "report.html"), filepath.Join(dir, "report.json")}
	}
	for _, path := range c.Out {
		if _, err := report.FormatOf(path); err != nil {
			return err
		}
	}
	parts, err := c.parts(s)
	if err != nil {
		return err
	}
	began := time.Now()
	var comparisons []report.Comparison
	var noise []string
	for _, p := range parts {
		common := common{where: c.where, Rounds: cmp.Or(p.rounds, c.Rounds), Time: cmp.Or(p.time, c.Time)}
		if p.control {
			common.Drive = common.Drive[:1]
		}
		cfg := common.config(p.counts)
		cfg.control = p.control
		r, e := s.measure(cfg, p.w)
		if r != nil && len(r.Rows) > 0 {
			comparisons = append(comparisons, r.comparison())
			if p.control {
				noise = append(noise, verdictOn(r.Rows))
			} else if e == nil {
				e = r.writeTable(s.stdout)
				fmt.Fprintln(s.stdout)
			}
		}
		if err = e; err != nil || s.ctx.Err() != nil {
			break
		}
	}
	d := s.document("weir beside net and os", began)
	d.Comparisons, d.Notes, d.Err, d.Interrupted = comparisons, noise, text(err), s.ctx.Err() != nil
	for _, n := range noise {
		fmt.Fprintln(s.stdout, n)
	}
	if len(comparisons) > 0 {
		err = errors.Join(err, s.write(d, c.Out))
		for _, path := range c.Out {
			fmt.Fprintln(s.stdout, "report:", path)
		}
	}
	if err == nil && d.Interrupted {
		err = fmt.Errorf("%w: only whole rounds that had ended count", errInterrupted)
	}
	return err
}

// The bounds of the control beyond which figures are not to be believed: of its medians, and of
// single rounds.
const (
	mostMedian = 0.10
	mostRound  = 0.40
)

// verdictOn says what the control, std against itself, says of the machine.
func verdictOn(rows []Row) string {
	median, round := 0.0, 0.0
	for _, r := range rows {
		for _, q := range []Ratio{r.Rate, r.CPU} {
			if q.Median > 0 {
				median = max(median, math.Abs(math.Log(q.Median)))
				round = max(round, math.Abs(math.Log(q.Min)), math.Abs(math.Log(q.Max)))
			}
		}
	}
	percent := func(log float64) string { return fmt.Sprintf("%.0f %%", 100*(math.Exp(log)-1)) }
	if median > math.Log1p(mostMedian) || round > math.Log1p(mostRound) {
		return fmt.Sprintf("THIS MACHINE IS TOO NOISY to believe the ratios: in the control packages net and os differed "+
			"from themselves by %s (median) and %s (worst round). Run it again when nothing else runs, or with more "+
			"--rounds and --time.", percent(median), percent(round))
	}
	return fmt.Sprintf("Control: packages net and os differed from themselves by %s (median) and %s (worst round). "+
		"Ratios closer to 1 than that mean nothing.", percent(median), percent(round))
}
