package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/weirgo/weir/aio"
)

// benchCmd runs the benchmarks that libxev and zig-aio have, under their names and with their
// parameters, on weir.
type benchCmd struct {
	Names   []string `arg:"" optional:"" help:"Which; none: all."`
	Share   float64  `default:"1" help:"The share of each benchmark's operations that is done: 0.01 for a glance."`
	Backend string   `placeholder:"NAME" help:"Force weir's backend instead of the first that works."`
	Drive   string   `enum:"auto,thread,scheduler" default:"auto" help:"How weir's loops run: ${enum}."`
	JSON    bool     `name:"json" help:"Print JSON instead of a table."`
}

// bench is one benchmark.
type bench struct {
	name, of, what string
	n              int    // operations
	unit           string // what one is
	quoted         string // of that program, by its author, on another machine
	run            func(b *benchRun, n int) error
}

// benchRun is what a benchmark runs on.
type benchRun struct {
	io      *aio.IO
	backend string
	start   time.Time
	took    time.Duration
	n       int // operations in all, if there are more than were asked for
	extra   []string
}

// begin starts the clock, and end stops it.
func (b *benchRun) begin() { b.start = time.Now() }
func (b *benchRun) end()   { b.took = time.Since(b.start) }

func (b *benchRun) note(format string, args ...any) {
	b.extra = append(b.extra, fmt.Sprintf(format, args...))
}

var benches = []bench{
	{"million-timers", "libxev", "timers that are started, and fire", 10_000_000, "timer", "", millionTimers},
	{"async1", "libxev", "wake-ups between a loop and another, a million each way", 1_000_000, "wake-up", "", asyncs(1)},
	{"async2", "libxev", "the same with 2 others, each", 1_000_000, "wake-up", "", asyncs(2)},
	{"async4", "libxev", "the same with 4", 1_000_000, "wake-up", "", asyncs(4)},
	{"async8", "libxev", "the same with 8", 1_000_000, "wake-up", "", asyncs(8)},
	{"async-pummel-1", "libxev", "callbacks of a loop that 1 goroutine wakes without a pause", 1_000_000, "callback", "", pummel(1)},
	{"async-pummel-2", "libxev", "the same with 2", 1_000_000, "callback", "", pummel(2)},
	{"async-pummel-4", "libxev", "the same with 4", 1_000_000, "callback", "", pummel(4)},
	{"async-pummel-8", "libxev", "the same with 8", 1_000_000, "callback", "", pummel(8)},
	{"ping-pongs", "libxev", "round trips of PING on one TCP connection, goroutines", 500_000, "round trip", "", pingPongs},
	{"ping-udp1", "libxev", "datagrams from a socket to itself", 500_000, "round trip", "", pingUDP},
	{"udp-pummel-1v1", "libxev", "datagrams from one sender to one receiver", 1_000_000, "datagram", "", udpPummel},
	{"coro-nops", "zig-aio", "nops of a coroutine in lists of 32", 250_000_000, "nop", "", coroNops},
	{"coro-ping-pongs", "zig-aio", "round trips of PING on one TCP connection, coroutines of one thread", 500_000, "round trip",
		"254,049 a second", coroPingPongs},
	{"flow", "zig-aio", "datagrams of 512 bytes in batches of 64", 1_000_000, "datagram", "", flow},
	{"fs", "zig-aio", "reads of 4 KiB from /dev/zero, one after the other", 1000, "read", "", zeroes},
	{"spawn", "zig-aio", "coroutines that are started and awaited, 10 at a time", 1_000_000, "coroutine", "", spawns},
}

// benchResult is what a benchmark took.
type benchResult struct {
	Name   string        `json:"name"`
	Of     string        `json:"of"`
	What   string        `json:"what"`
	N      int           `json:"n"`
	Unit   string        `json:"unit"`
	Took   time.Duration `json:"took_ns"`
	Each   float64       `json:"ns_each"`
	Rate   float64       `json:"per_s"`
	Extra  []string      `json:"extra,omitempty"`
	Quoted string        `json:"quoted,omitempty"`
}

// Run runs them one after the other.
func (c *benchCmd) Run(s *session) error {
	if !(c.Share > 0 && c.Share <= 10) {
		return fmt.Errorf("--share is %g: want more than 0, and 10 at most", c.Share)
	}
	some := benches
	if len(c.Names) > 0 {
		some = nil
		for _, n := range c.Names {
			i := slices.IndexFunc(benches, func(b bench) bool { return b.name == n })
			if i < 0 {
				var known []string
				for _, b := range benches {
					known = append(known, b.name)
				}
				return fmt.Errorf("no benchmark is called %q: want %s", n, strings.Join(known, ", "))
			}
			some = append(some, benches[i])
		}
	}
	var results []benchResult
	var err error
	for _, b := range some {
		if s.ctx.Err() != nil {
			err = errInterrupted
			break
		}
		var r benchResult
		if r, err = c.one(b); err != nil {
			err = fmt.Errorf("%s: %w", b.name, err)
			break
		}
		results = append(results, r)
	}
	if c.JSON {
		return errors.Join(err, writeIndented(s.stdout, results))
	}
	t := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "benchmark\tof\toperations\ttime\teach\ta second\t  ")
	for _, r := range results {
		text := strings.Join(r.Extra, ", ")
		if r.Quoted != "" {
			text += "; " + r.Of + " by its author, on another machine: " + r.Quoted
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t  %s\n", r.Name, r.Of, humanize.Comma(int64(r.N)), short(float64(r.Took)),
			short(r.Each), humanize.Comma(int64(r.Rate)), strings.TrimPrefix(text, "; "))
	}
	return errors.Join(err, t.Flush())
}

func (c *benchCmd) one(b bench) (r benchResult, err error) {
	io, err := aio.New(aio.Options{Backend: c.Backend, Drive: c.Drive})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, io.Close()) }()
	n := max(64, int(float64(b.n)*c.Share))
	run := &benchRun{io: io, backend: c.Backend}
	if err := b.run(run, n); err != nil {
		return r, err
	}
	took := max(run.took, 1)
	n = max(n, run.n)
	return benchResult{b.name, b.of, b.what, n, b.unit, took, float64(took) / float64(n), float64(n) / took.Seconds(),
		run.extra, b.quoted}, nil
}
