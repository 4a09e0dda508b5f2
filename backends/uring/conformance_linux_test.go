package uring

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/backendtest"
	"github.com/weirgo/weir/internal/sys"
)

// openOrSkip opens a backend or skips the test, saying what Open says.
func openOrSkip(t testing.TB, cfg Config) *Backend {
	t.Helper()
	b, err := Open(cfg)
	skipOrFail(t, err)
	return b
}

// skipOrFail skips the test if err means that there is no io_uring here, or none that is new
// enough.
func skipOrFail(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EPERM),
		errors.Is(err, syscall.EACCES):
		t.Skip(err)
	case errors.Is(err, syscall.EINVAL):
		r, plain := sys.NewRing(2, 0, 0)
		if plain == nil {
			features := r.Features()
			r.Close()
			if features&requiredFeatures == requiredFeatures {
				t.Fatalf("this kernel is new enough, but: %v", err)
			}
		}
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// Every rung of the ladder passes the suite.
func TestConformance(t *testing.T) {
	newRig(t, Config{}) // or skip
	for rung, want := range ladder {
		b := openOrSkip(t, Config{Rung: rung})
		flags, detail := b.ring.Flags(), b.Detail()
		b.Close()
		if RingImplementation == "giouring" && want&sys.SetupNoSQArray != 0 {
			continue // the next rung is what it uses
		}
		t.Run(fmt.Sprintf("Rung%d", rung), func(t *testing.T) {
			t.Logf("%s ring, %s", RingImplementation, detail)
			if flags&^always != want {
				t.Skipf("this kernel does not know %s: it falls to a lower rung", flagNames(want))
			}
			if detail != flagNames(want) {
				t.Errorf("Detail = %q, want %q", detail, flagNames(want))
			}
			backendtest.Run(t, backendtest.OS(true, func(t testing.TB, entries, cqEntries int) backends.Backend {
				return openOrSkip(t, Config{Rung: rung, Entries: uint32(entries), CQEntries: uint32(cqEntries)})
			}))
		})
	}
}
