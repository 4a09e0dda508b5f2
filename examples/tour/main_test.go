package main

import (
	"errors"
	"flag"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wanted is what the tour prints, as a regular expression for each line that matters.
var wanted = []string{
	`^weir runs on io_uring: .+\.$`,
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
	for _, drive := range []string{"auto", "thread", "scheduler"} {
		t.Run(drive, func(t *testing.T) {
			var out strings.Builder
			if err := run([]string{"-drive", drive}, &out, s); err != nil {
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
}

func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestNoBackend(t *testing.T) {
	var out strings.Builder
	err := run([]string{"-backend", "iocp"}, &out, full)
	if err == nil || !strings.Contains(err.Error(), "iocp is not available") {
		t.Errorf("a backend of another system: %v", err)
	}
	if out.Len() > 0 {
		t.Errorf("printed %q", &out)
	}
	if err := run([]string{"-h"}, &out, full); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}
