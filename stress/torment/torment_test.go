package torment

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/stress/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every tormentor works, on package net, and on weir with each drive; nothing is wrong and nothing
// is left behind.
func TestTormentors(t *testing.T) {
	for name, p := range map[string]Plan{
		"net": {Std: true}, "auto": {Options: aio.Options{Drive: "auto"}}, "thread": {Options: aio.Options{Drive: "thread"}},
		"scheduler": {Options: aio.Options{Drive: "scheduler"}},
	} {
		t.Run(name, func(t *testing.T) {
			if !p.Std {
				weir, err := aio.New(p.Options)
				if err != nil {
					t.Skip("no backend can start here:", err)
				}
				weir.Close()
			}
			p.Tormentors, p.Time, p.Seed, p.Dir = All, 400*time.Millisecond, 1, t.TempDir()
			p.Note = func(text string) { t.Log(text) }
			o, err := Run(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range All {
				if o.Ops[a.Name] == 0 {
					t.Logf("%s: nothing done; skipped: %q", a.Name, o.Skipped[a.Name])
				}
			}
			if len(o.Failed) > 0 || o.Snapshot != nil {
				t.Errorf("%+v", o)
			}
		})
	}
}

var errInjected = errors.New("injected")

// A tormentor that finds an error ends the run, which says so and keeps a snapshot; so does one that
// panics, and one that leaves something behind.
func TestChaosFinds(t *testing.T) {
	needsNothing := func(f func(ctx context.Context, w *World) error) []Tormentor {
		return []Tormentor{{Name: "injected", Run: f}, {Name: "other", Run: func(ctx context.Context, w *World) error {
			<-ctx.Done()
			return nil
		}}}
	}
	leave := make(chan struct{})
	var kept *os.File
	for name, c := range map[string]struct {
		f    func(ctx context.Context, w *World) error
		want string
	}{
		"error": {func(context.Context, *World) error { return errInjected }, "injected: injected"},
		"panic": {func(context.Context, *World) error { panic("oh") }, "panic: oh"},
		"goroutine": {func(context.Context, *World) error { go func() { <-leave }(); return nil },
			"left behind"},
		"descriptor": {func(context.Context, *World) (err error) { kept, err = os.Open("/dev/null"); return err },
			"left behind"},
		"stuck": {func(context.Context, *World) error { <-leave; return nil }, "still wait"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Plan{Std: true, Tormentors: needsNothing(c.f), Time: 20 * time.Millisecond, Patience: 200 * time.Millisecond}
			switch name {
			case "error":
				p.Std = false
			case "stuck":
				defer func(was time.Duration) { grace = was }(grace)
				grace = p.Patience
			}
			o, err := Run(t.Context(), p)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if name == "error" && (len(o.Snapshot) == 0 || o.Failed["injected"] == "") {
				t.Errorf("%+v: want a snapshot", o)
			}
			if kept != nil {
				kept.Close()
			}
		})
	}
	close(leave)
}

// Tormentors find a side that does it wrong: each of these servers is one.
func TestTormentorsFind(t *testing.T) {
	w := &World{Patience: 100 * time.Millisecond, Dir: t.TempDir()}
	address, stop, err := w.serve("tcp", func(c net.Conn) {
		buf := make([]byte, 4096)
		for n := 1; ; n++ {
			k, err := c.Read(buf)
			if err != nil {
				return
			}
			if n%3 == 0 {
				buf[k-1] ^= 1
			}
			c.Write(buf[:k])
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	c, err := w.dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := interrupted(c, load.NewLedger(load.LedgerOptions{}).Stream(), w.random(), w.Patience); err == nil || !strings.Contains(err.Error(), "changed answer") {
		t.Errorf("cancelstorm: %v, want the change", err)
	}
	if err := w.closes(t.Context(), func(net.Conn) {}); err == nil || !strings.Contains(err.Error(), "was closed") {
		t.Errorf("closestorm: %v, want a call that ended otherwise", err)
	}
}

func TestFind(t *testing.T) {
	if all, err := Find(nil); err != nil || len(all) != len(All) {
		t.Errorf("%d, %v", len(all), err)
	}
	if some, err := Find([]string{"files", "churn"}); err != nil || len(some) != 2 || some[0].Name != "files" {
		t.Errorf("%v, %v", some, err)
	}
	if _, err := Find([]string{"peace"}); err == nil || !strings.Contains(err.Error(), "churn") {
		t.Errorf("%v", err)
	}
}
