//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs f on each drive.
func each(t *testing.T, f func(t *testing.T, weir *aio.IO)) {
	t.Helper()
	drives := []string{"auto", "thread", "scheduler"}
	if d := os.Getenv("WEIR_DRIVE"); d != "" {
		drives = []string{d}
	}
	for _, drive := range drives {
		t.Run(drive, func(t *testing.T) {
			weir, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: drive})
			if err != nil {
				t.Skip("no backend can start here:", err)
			}
			defer weir.Close()
			f(t, weir)
		})
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestCopy(t *testing.T) {
	each(t, func(t *testing.T, weir *aio.IO) {
		from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
		for _, tt := range []struct{ size, window, chunk int }{
			{0, 4, 100}, {1, 4, 100}, {99, 4, 100}, {100, 4, 100}, {101, 1, 100}, {1000, 3, 100}, {1_000_003, 16, 4096},
			{300_000, 100, 7000},
		} {
			want := random(tt.size)
			if err := errors.Join(os.WriteFile(from, want, 0o600), os.WriteFile(to, random(tt.size+500),
				0o600)); err != nil {
				t.Fatal(err)
			}
			n, err := copyFile(t.Context(), weir, from, to, tt.window, tt.chunk)
			if err != nil || n != int64(tt.size) {
				t.Fatalf("%+v: %d, %v", tt, n, err)
			}
			if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%+v: the copy is not the same, %v", tt, err)
			}
		}
	})
}

func TestErrors(t *testing.T) {
	each(t, func(t *testing.T, weir *aio.IO) {
		from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
		if err := os.WriteFile(from, random(100_000), 0o600); err != nil {
			t.Fatal(err)
		}
		ended, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		cancel(why)
		for _, tt := range []struct {
			name     string
			ctx      context.Context
			from, to string
			want     error
		}{
			{"no source", t.Context(), from + ".none", to, fs.ErrNotExist},
			{"no directory", t.Context(), from, to + ".none/y", fs.ErrNotExist},
			{"full", t.Context(), from, "/dev/full", syscall.ENOSPC},
			{"context", ended, from, to, why},
		} {
			if _, err := copyFile(tt.ctx, weir, tt.from, tt.to, 4, 1000); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			}
		}
		// One that is cancelled on its way ends, with the context's cause, unless it was faster.
		for i := range 20 {
			ctx, cancel := context.WithCancelCause(t.Context())
			go cancel(why)
			if n, err := copyFile(ctx, weir, from, to, 1+i, 500); err != nil && !errors.Is(err, why) || err == nil &&
				n != 100_000 {
				t.Errorf("cancelled on its way: %d, %v", n, err)
			}
		}
	})
}

func TestRun(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	if err := os.WriteFile(from, random(5000), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"-backend", os.Getenv("WEIR_BACKEND"), "-chunk", "99", from, to},
		&out); err != nil {
		t.Skip("no backend can start here:", err)
	}
	if n, _, _ := strings.Cut(out.String(), " "); n != strconv.Itoa(5000) {
		t.Errorf("it says %q", out.String())
	}
	if err := run(t.Context(), []string{from}, io.Discard); err == nil {
		t.Error("one name is enough for it")
	}
}
