package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/stress/load"
	"github.com/weirgo/weir/stress/torment"
)

type chaosCmd struct {
	Time     time.Duration `default:"10s" help:"For each backend and drive."`
	Only     []string      `placeholder:"NAME,..." help:"Only these tormentors; --list names all."`
	Backend  []string      `enum:"io_uring,epoll,portable,std" default:"io_uring,epoll,portable" help:"${enum}; std: packages net and os."`
	Drive    []string      `enum:"auto,thread,scheduler" default:"auto,thread,scheduler" help:"How weir's loops run: ${enum}."`
	Loops    int           `help:"Number of weir's loops; 0: from GOMAXPROCS."`
	Seed     uint64        `help:"Seed of all random choices; 0: a new one."`
	Dir      string        `type:"existingdir" placeholder:"DIR" help:"Where files are made. Default: the system's temporary directory."`
	Patience time.Duration `default:"30s" help:"What a single answer may take."`
	List     bool          `help:"List the tormentors, and end."`
	JSON     bool          `name:"json" help:"Print a line of JSON for each backend and drive instead of tables."`
}

type soakCmd struct {
	Time     time.Duration `default:"1h" help:"How long."`
	Interval time.Duration `default:"10s" help:"Between two looks at what the process holds."`
	Backend  string        `placeholder:"NAME" help:"Force weir's backend instead of the first that works."`
	Drive    string        `enum:"auto,thread,scheduler" default:"auto" help:"How weir's loops run: ${enum}."`
	Only     []string      `default:"churn,messages,datagrams,files,timers,cancelstorm" help:"What runs meanwhile."`
	Seed     uint64        `help:"Seed of all random choices; 0: a new one."`
	Dir      string        `type:"existingdir" placeholder:"DIR" help:"Where files are made. Default: the system's temporary directory."`
}

// Run torments each backend with each drive. The first error ends it.
func (c *chaosCmd) Run(s *session) error {
	if c.List {
		t := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
		for _, one := range torment.All {
			fmt.Fprintf(t, "%s\t%s\n", one.Name, one.Help)
		}
		return t.Flush()
	}
	some, err := torment.Find(c.Only)
	if err != nil {
		return err
	}
	for c.Seed == 0 {
		c.Seed = rand.Uint64() >> 32
	}
	for _, backend := range c.Backend {
		drives := c.Drive
		if backend == "std" {
			drives = []string{""}
		}
		for _, drive := range drives {
			if err := c.one(s, some, backend, drive); err != nil {
				return err
			}
			if s.ctx.Err() != nil {
				return fmt.Errorf("%w: nothing was wrong until then", errInterrupted)
			}
		}
	}
	return nil
}

// one torments one backend with one drive.
func (c *chaosCmd) one(s *session, some []torment.Tormentor, backend, drive string) error {
	p := torment.Plan{Tormentors: some, Std: backend == "std", Time: c.Time, Seed: c.Seed, Dir: c.Dir, Patience: c.Patience,
		Options: aio.Options{Backend: backend, Drive: drive, Loops: c.Loops},
		Note:    func(text string) { fmt.Fprintf(s.stderr, "stress: note: %s\n", text) }}
	if !p.Std {
		weir, err := aio.New(p.Options)
		if err != nil {
			fmt.Fprintf(s.stderr, "stress: note: %s, drive %s, is left out: %v\n", backend, drive, err)
			return nil
		}
		if err := weir.Close(); err != nil {
			return err
		}
	}
	o, err := torment.Run(s.ctx, p)
	if c.JSON {
		text, e := json.Marshal(o)
		fmt.Fprintf(s.stdout, "%s\n", text)
		err = errors.Join(err, e)
	} else {
		printOutcome(s, o)
	}
	if err == nil {
		return nil
	}
	repeat := fmt.Sprintf("stress chaos --backend=%s --time=%v --seed=%d", backend, c.Time, c.Seed)
	if drive != "" {
		repeat += " --drive=" + drive
	}
	if len(c.Only) > 0 {
		repeat += " --only=" + strings.Join(c.Only, ",")
	}
	if c.Loops > 0 {
		repeat += fmt.Sprintf(" --loops=%d", c.Loops)
	}
	fmt.Fprintf(s.stderr, "stress: seed %d; again: %s\n", c.Seed, repeat)
	if len(o.Snapshot) > 0 {
		path := filepath.Join(os.TempDir(), fmt.Sprintf("weir-snapshot-%d.json", c.Seed))
		if e := os.WriteFile(path, o.Snapshot, 0o644); e == nil {
			fmt.Fprintf(s.stderr, "stress: what weir was doing is in %s\n", path)
		}
	}
	if stuck := (*load.StuckError)(nil); errors.As(err, &stuck) {
		s.stderr.Write(stuck.Stacks)
	}
	return fmt.Errorf("%s: %w", o.World, err)
}

// printOutcome says what each tormentor did.
func printOutcome(s *session, o *torment.Outcome) {
	fmt.Fprintf(s.stdout, "%s, %v\n", o.World, o.Time.Round(10*time.Millisecond))
	t := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	var names []string
	for n := range o.Ops {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		text := "right"
		if why := o.Skipped[n]; why != "" {
			text = "skipped: " + why
		}
		if why := o.Failed[n]; why != "" {
			text = "FAILED: " + strings.SplitN(why, "\n", 2)[0]
		}
		fmt.Fprintf(t, "%s\t%s\t  %s\n", n, humanize.Comma(int64(o.Ops[n])), text)
	}
	t.Flush()
	fmt.Fprintln(s.stdout)
}

// Run works for long, and looks for what grows.
func (c *soakCmd) Run(s *session) error {
	some, err := torment.Find(c.Only)
	if err != nil {
		return err
	}
	for c.Seed == 0 {
		c.Seed = rand.Uint64() >> 32
	}
	soak := torment.NewSoak(c.Interval)
	p := torment.Plan{Tormentors: some, Time: c.Time, Seed: c.Seed, Dir: c.Dir, Watch: soak.Look,
		Options: aio.Options{Backend: c.Backend, Drive: c.Drive}}
	o, err := torment.Run(s.ctx, p)
	printOutcome(s, o)
	slopes := soak.Slopes()
	t := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "held\tat first\tat last\tslope an hour\t± (95 %)\t\t")
	for _, l := range slopes {
		verdict := "steady"
		if l.Grows {
			verdict = "GROWS"
			if l.Leak {
				err = errors.Join(err, fmt.Errorf("%s grow: %.0f at first, %.0f at last", l.Name, l.First, l.Last))
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", l.Name, humanize.Comma(int64(l.First)), humanize.Comma(int64(l.Last)),
			humanize.Comma(int64(l.PerHour)), humanize.Comma(int64(l.Error)), verdict)
	}
	t.Flush()
	if len(slopes) == 0 {
		fmt.Fprintln(s.stdout, "too short for slopes: want ten intervals at least")
	}
	if err != nil {
		fmt.Fprintf(s.stderr, "stress: seed %d; again: stress soak --time=%v --seed=%d --only=%s --drive=%s --backend=%s\n",
			c.Seed, c.Time, c.Seed, strings.Join(c.Only, ","), c.Drive, c.Backend)
		return err
	}
	if s.ctx.Err() != nil {
		return fmt.Errorf("%w: nothing was wrong until then", errInterrupted)
	}
	return nil
}
