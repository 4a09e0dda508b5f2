package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
)

func TestMain(m *testing.M) {
	if asServer() {
		return
	}
	goleak.VerifyTestMain(m)
}

// needBackend skips a test where no backend can start.
func needBackend(t *testing.T) {
	t.Helper()
	weir, err := aio.New(aio.Options{})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	weir.Close()
}

// small is a configuration that takes moments.
func small(t *testing.T, counts ...int) config {
	return config{
		drives: []string{"auto"}, rounds: 2, time: 50 * time.Millisecond, counts: counts, seed: 1,
		note: func(text string) { t.Log("note:", text) },
	}
}

func smallFile(t *testing.T) *file {
	return &file{dir: t.TempDir(), size: 4 << 20, block: 4096, direct: true}
}

func TestWorkloads(t *testing.T) {
	needBackend(t)
	writes := smallFile(t)
	writes.write = true
	cached := smallFile(t)
	cached.direct = false
	for name, w := range map[string]workload{
		"echo":             &echo{size: 64},
		"echo net clients": &echo{size: 5000, netClients: true},
		"pingpong":         &pingpong{size: 64},
		"udp":              &udp{size: 64},
		"file":             smallFile(t),
		"file written":     writes,
		"file cached":      cached,
	} {
		t.Run(name, func(t *testing.T) {
			c := small(t, 1, 5)
			c.drives, c.rounds = []string{"auto", "thread", "scheduler"}, 1
			r, err := run(t.Context(), c, w)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Rows) != 6 || len(r.Drives) != 3 || r.Interrupted {
				t.Fatalf("%d rows, %d drives, interrupted %v; want 6, 3, false", len(r.Rows), len(r.Drives),
					r.Interrupted)
			}
			for i, row := range r.Rows {
				if row.Drive != c.drives[i/2] || row.Count != c.counts[i%2] || len(row.Rounds) != 1 {
					t.Errorf("row %d is of drive %s, count %d, %d rounds", i, row.Drive, row.Count, len(row.Rounds))
				}
				checkRow(t, row)
			}
			checkTable(t, r)
			if testing.Verbose() {
				r.writeTable(os.Stderr)
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(writes.dir, "weir-stress-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func checkRow(t *testing.T, row Row) {
	t.Helper()
	for _, f := range []Figures{row.Std, row.Weir} {
		if f.Ops == 0 || f.Rate <= 0 || f.P50 <= 0 || f.P99 < f.P50 || f.Max < f.P99 || f.CPUPerOp <= 0 ||
			f.AllocsPerOp < 0 || math.IsInf(f.Rate, 0) {
			t.Errorf("%s, %d: figures %+v", row.Drive, row.Count, f)
		}
	}
	if f := row.Std; f.SQEsPerEnter != 0 || f.Direct != 0 || f.SyscallsPerOp != 0 {
		t.Errorf("packages net and os have weir's figures: %+v", f)
	}
	if f := row.Weir; f.SQEsPerEnter <= 0 && f.Direct < 1 || row.Drive != "auto" && f.Direct > 0 ||
		f.SyscallsPerOp <= 0 {
		t.Errorf("%s, %d: figures of weir %+v", row.Drive, row.Count, f)
	}
	for _, r := range []Ratio{row.Rate, row.CPU} {
		if r.Median <= 0 || r.Min <= 0 || r.Min > r.Median || r.Max < r.Median {
			t.Errorf("%s, %d: ratio %+v", row.Drive, row.Count, r)
		}
	}
}

// checkTable reads the table that is printed.
func checkTable(t *testing.T, r *Report) {
	t.Helper()
	var out strings.Builder
	if err := r.writeTable(&out); err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(out.String(), "\n\n")
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	if !found || len(lines) != 1+2*len(r.Rows) || !strings.Contains(out.String(), "seed "+strconv.FormatUint(r.Seed,
		10)+";") {
		t.Fatalf("table:\n%s", &out)
	}
	if head := strings.Fields(lines[0]); !slices.Contains(head, r.Counts) || !slices.Contains(head, r.Operation+"/s") {
		t.Errorf("head of the table: %q", head)
	}
	std := regexp.MustCompile(`^ +[a-z]+ +\d+ +std +[\d,]+ +[\d.]+[nµm]?s +[\d.]+[nµm]?s +[\d.]+[nµm]?s +\d+\.\d\d$`)
	weir := regexp.MustCompile(`^ +weir +[\d,]+ +[\d.]+[nµm]?s +[\d.]+[nµm]?s +[\d.]+[nµm]?s +\d+\.\d\d +\d+% +(-|\d+\.\d) +x\d+\.\d\d +\d+\.\d\d-\d+\.\d\d +x\d+\.\d\d +\d+\.\d\d-\d+\.\d\d$`)
	for i, line := range lines[1:] {
		if want := []*regexp.Regexp{std, weir}[i%2]; !want.MatchString(line) {
			t.Errorf("line %q does not match %v", line, want)
		}
	}
}

// The program with its flags, from arguments to JSON.
func TestCommands(t *testing.T) {
	needBackend(t)
	dir := t.TempDir()
	for _, args := range [][]string{
		{"echo", "--conns", "2", "--clients=net"},
		{"pingpong", "--pairs=2", "--size=100"},
		{"udp", "--senders=2", "--size=100", "--no-batch"},
		{"file", "--goroutines", "1,3", "--dir", dir, "--size=1MiB", "--block=8KiB"},
		{"file", "--goroutines", "2", "--dir", dir, "--size=1MiB", "--no-direct", "--write"},
	} {
		t.Run(args[0], func(t *testing.T) {
			args := append(args, "--json", "--rounds=1", "--time=50ms", "--drive=thread,scheduler", "--seed=7")
			var out, errs strings.Builder
			if code := command(t.Context(), args, &out, &errs); code != exitOK {
				t.Fatalf("%q: exit code %d, %s", args, code, &errs)
			}
			d := json.NewDecoder(strings.NewReader(out.String()))
			d.DisallowUnknownFields()
			var r Report
			if err := d.Decode(&r); err != nil {
				t.Fatalf("%v in %s", err, &out)
			}
			if r.Workload != args[0] || r.Seed != 7 || r.Rounds != 1 || r.Time != 50*time.Millisecond ||
				len(r.Rows) < 2 {
				t.Errorf("report %+v", r)
			}
			for _, row := range r.Rows {
				checkRow(t, row)
			}
		})
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBadArguments(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"nonsense", exitUsage, "nonsense"},
		{"echo --drive=nonsense", exitUsage, "drive"},
		{"file --size=nonsense", exitUsage, "size"},
		{"file --dir=/nonexistent", exitUsage, "no such file"},
		{"file --block=1000", exitFailed, "--block is 1000"},
		{"file --size=8KiB --goroutines=4", exitFailed, "a block for each of 4"},
		{"echo --size=7", exitFailed, "--size is 7"},
		{"pingpong --pairs=0", exitFailed, "1 to 100000"},
		{"udp --size=7", exitFailed, "--size is 7"},
		{"http --time=1500ms", exitFailed, "whole seconds"},
		{"idle --conns=0", exitFailed, "--conns is 0"},
		{"idle --buffer=0", exitFailed, "--buffer is 0"},
		{"idle --backend=nonsense", exitFailed, `no backend is called "nonsense"`},
		{"pingpong --rounds=0", exitFailed, "--rounds is 0"},
		{"pingpong --time=1us", exitFailed, "--time is 1µs"},
		{"pingpong --backend=nonsense", exitFailed, `no backend is called "nonsense"`},
	} {
		var out, errs strings.Builder
		code := command(t.Context(), strings.Fields(c.args), &out, &errs)
		if code != c.code || !strings.Contains(errs.String(), c.want) || out.Len() > 0 {
			t.Errorf("%q: exit code %d, printed %q and %q; want %d and %q", c.args, code, &out, &errs, c.code, c.want)
		}
	}
}

// An interrupt ends a run early. Whole rounds are reported, and the file is removed.
func TestInterrupt(t *testing.T) {
	needBackend(t)
	for _, c := range []struct {
		at     string // interrupted when the progress says so
		rounds []int  // of each row
	}{
		{"making the file", nil},
		{"1 goroutines, round 1 of 4: weir", nil},
		{"1 goroutines, round 3 of 4: std", []int{2}},
		{"2 goroutines, round 2 of 4: weir", []int{4, 1}},
	} {
		t.Run(c.at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cfg := small(t, 1, 2)
			cfg.rounds = 4
			cfg.progress = func(p progress) {
				if strings.HasSuffix(p.what, c.at) {
					cancel()
				}
			}
			w := smallFile(t)
			r, err := run(ctx, cfg, w)
			if left, _ := os.ReadDir(w.dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if c.at == "making the file" {
				if !errors.Is(err, errInterrupted) || r != nil {
					t.Errorf("%v, %v; want no report and that error", r, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var rounds []int
			for _, row := range r.Rows {
				rounds = append(rounds, len(row.Rounds))
			}
			if !r.Interrupted || !slices.Equal(rounds, c.rounds) {
				t.Errorf("interrupted %v, rounds %v; want true, %v", r.Interrupted, rounds, c.rounds)
			}
		})
	}
}

func TestInterruptCommand(t *testing.T) {
	needBackend(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var out, errs strings.Builder
	code := command(ctx, strings.Fields("pingpong --pairs=1 --rounds=1000 --time=20ms"), &out, &errs)
	if code != exitInterrupted || !strings.Contains(errs.String(), "interrupted") || !strings.Contains(out.String(),
		"trips/s") {
		t.Errorf("exit code %d, printed %q and %q", code, &out, &errs)
	}
}

// odd is a workload whose operations are given.
type odd struct {
	op func(s side) error
}

func (o *odd) describe() (name, counts, ops, details string) { return "odd", "workers", "ops", "" }
func (o *odd) prepare(context.Context, *config) error        { return nil }
func (o *odd) cleanup() error                                { return nil }
func (o *odd) crew(s side, n int, _ uint64) (*crew, error) {
	op := func() error { return o.op(s) }
	return &crew{ops: slices.Repeat([]func() error{op}, n), stop: func() error { return nil }}, nil
}

// An operation that fails ends the run with its error.
func TestFailure(t *testing.T) {
	needBackend(t)
	broken := errors.New("broken")
	n := 0
	_, err := run(t.Context(), small(t, 1), &odd{func(s side) error {
		time.Sleep(time.Millisecond)
		if n++; n > 60 && s.weir != nil {
			return broken
		}
		return nil
	}})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), ": weir: ") {
		t.Errorf("%v, want the operation's error and its side", err)
	}
}

// An operation that never ends is noticed and said.
func TestStuck(t *testing.T) {
	needBackend(t)
	release := make(chan struct{})
	c := small(t, 3)
	c.patience = 50 * time.Millisecond
	_, err := run(t.Context(), c, &odd{func(s side) error {
		time.Sleep(time.Millisecond)
		if s.weir != nil {
			<-release
		}
		return nil
	}})
	close(release)
	var stuck *stuckError
	if !errors.As(err, &stuck) || !strings.Contains(err.Error(), "3 of 3 workers still wait") ||
		!strings.Contains(string(stuck.stacks), "TestStuck") {
		t.Errorf("%v, want a stuckError with stacks", err)
	}
}

// A round lasts until something was done.
func TestStall(t *testing.T) {
	needBackend(t)
	c := small(t, 1)
	c.time = 10 * time.Millisecond
	r, err := run(t.Context(), c, &odd{func(side) error { time.Sleep(100 * time.Millisecond); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Rows[0].Weir; f.Ops == 0 || f.Rate > 11 || time.Duration(f.Max) < 99*time.Millisecond {
		t.Errorf("figures %+v, want at most 10 operations a second", f)
	}
}

// spoiled is a file of which one byte is wrong.
type spoiled struct {
	randomAccess
	at int64
}

func (s spoiled) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.randomAccess.ReadAt(p, off)
	if s.at >= off && s.at < off+int64(n) {
		p[s.at-off] ^= 0x10
	}
	return n, err
}

// Wrong data is noticed: a wrong block by its number at once, a wrong byte when the whole block is
// compared.
func TestWrongData(t *testing.T) {
	for _, write := range []bool{false, true} {
		f := smallFile(t)
		f.size, f.write = 8*4096, write
		c := small(t, 2)
		if err := errors.Join(c.complete(), f.prepare(t.Context(), &c)); err != nil {
			t.Fatal(err)
		}
		defer f.cleanup()
		for _, at := range []int64{-1, 3 * 4096, 3*4096 + 7, 3*4096 + 100, 4*4096 - 1} {
			open, err := side{}.openFile(f.path, f.flags())
			if err != nil {
				t.Fatal(err)
			}
			crew := f.crewOn(spoiled{open, at}, 2, 1)
			for i := range 50 * checkEach {
				if err = crew.ops[i%2](); err != nil {
					break
				}
			}
			if noticed := err != nil && strings.Contains(err.Error(), "wrong data in block 3") || err != nil &&
				strings.Contains(err.Error(), "wrong data: block 3"); noticed != (at >= 0) {
				t.Errorf("write %v, byte %d spoiled: %v", write, at, err)
			}
			if err := crew.stop(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestAligned(t *testing.T) {
	for n := 512; n <= 1<<20; n *= 2 {
		b := aligned(n)
		if p := fmt.Sprintf("%p", b); len(b) != n || cap(b) != n || !strings.HasSuffix(p, "000") {
			t.Errorf("aligned(%d): %d bytes at %s", n, len(b), p)
		}
	}
}

func TestSummary(t *testing.T) {
	row := Row{Rounds: []Round{
		{Std: Figures{Rate: 100, CPUPerOp: 10}, Weir: Figures{Rate: 150, CPUPerOp: 5}},
		{Std: Figures{Rate: 50, CPUPerOp: 20}, Weir: Figures{Rate: 100, CPUPerOp: 5}, WeirFirst: true},
		{Std: Figures{Rate: 200, CPUPerOp: 10}, Weir: Figures{Rate: 200, CPUPerOp: 10}},
	}}
	row.summarize()
	if row.Std.Rate != 100 || row.Weir.Rate != 150 || row.Weir.CPUPerOp != 5 {
		t.Errorf("medians: %+v, %+v", row.Std, row.Weir)
	}
	if want := (Ratio{1.5, 1, 2}); row.Rate != want {
		t.Errorf("rate: %+v, want %+v", row.Rate, want)
	}
	if want := (Ratio{0.5, 0.25, 1}); row.CPU != want {
		t.Errorf("CPU: %+v, want %+v", row.CPU, want)
	}
	row.Rounds = row.Rounds[:2]
	if row.summarize(); row.Rate != (Ratio{1.75, 1.5, 2}) {
		t.Errorf("of two rounds: %+v", row.Rate)
	}
}

func TestShort(t *testing.T) {
	for ns, want := range map[float64]string{0: "0s", 1: "1ns", 12.7: "12ns", 4236: "4.24µs", 123_456: "123µs",
		1_234_567: "1.23ms", 59_990_000_000: "1m0s"} {
		if got := short(ns); got != want {
			t.Errorf("short(%v) = %s, want %s", ns, got, want)
		}
	}
}
