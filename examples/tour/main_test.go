package main

import (
	"errors"
	"flag"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// drives are what every test runs under, unless WEIR_DRIVE picks one.
var drives = func() []string {
	if d := os.Getenv("WEIR_DRIVE"); d != "" {
		return []string{d}
	}
	return []string{"auto", "thread", "scheduler"}
}()

// each runs f on each drive; args are the flags that choose it. It skips f where no backend can
// start.
func each(t *testing.T, f func(t *testing.T, drive string, args []string)) {
	t.Helper()
	for _, drive := range drives {
		t.Run(drive, func(t *testing.T) {
			backend := os.Getenv("WEIR_BACKEND")
			weir, err := aio.New(aio.Options{Backend: backend, Drive: drive})
			if err != nil {
				t.Skip("no backend can start here:", err)
			}
			weir.Close()
			f(t, drive, []string{"-backend", backend, "-drive", drive})
		})
	}
}

// wanted is what the tour prints, as a regular expression for each line that matters.
var wanted = []string{
	`^weir runs on [a-z_]+: .+\.$`,
	`^  drive DRIVE, loops [1-9]`,
	`messages came back in .+, and every byte was right$`,
	`^  copied and on disk in .+; both have SHA-256 [0-9a-f]{16}\.\.\.$`,
	`^  all awake again after [0-9.]+m?s, none too early; the process has [0-9]+ threads$`,
	`^  after [0-9.]+ms: read tcp .+: context deadline exceeded$`,
	`^  the next read got all of it: "sent after the read had been given up"$`,
	`^  [1-9][0-9]+ operations, [0-9]+ of them done by their callers`,
	`^  [0-9.]+ SQEs per enter$`,
	`^  [0-9.]+ system calls per operation$`,
	`^  closed; nothing left behind: `,
}

func TestTour(t *testing.T) {
	s := full
	if raceEnabled() { // the race detector allows 8128 goroutines
		s.sleepers, s.messages = 5000, 20
	}
	each(t, func(t *testing.T, drive string, args []string) {
		var out strings.Builder
		if err := run(args, &out, s); err != nil {
			t.Fatalf("%v, after\n%s", err, &out)
		}
		lines := strings.Split(out.String(), "\n")
		for _, w := range wanted {
			re := regexp.MustCompile(strings.ReplaceAll(w, "DRIVE", drive))
			if !slices.ContainsFunc(lines, re.MatchString) {
				t.Errorf("no line matches %s", re)
			}
		}
		t.Log("\n" + out.String())
	})
}

func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestNoBackend(t *testing.T) {
	var out strings.Builder
	err := run([]string{"-backend", "steam"}, &out, full)
	if err == nil || !strings.Contains(err.Error(), `no backend is called "steam"`) {
		t.Errorf("a backend that does not exist: %v", err)
	}
	if out.Len() > 0 {
		t.Errorf("printed %q", &out)
	}
	if err := run([]string{"-h"}, &out, full); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}
