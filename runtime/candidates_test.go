package runtime

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/sim"
)

// fake is a backend that goes by another's name and fails where the test wants it to.
type fake struct {
	backends.Backend
	name   string
	bind   error
	closed *atomic.Int32
}

func (f *fake) Name() string { return f.name }

func (f *fake) Bind(thread bool) error {
	if f.bind != nil {
		return f.bind
	}
	return f.Backend.Bind(thread)
}

func (f *fake) Close() error { f.closed.Add(1); return f.Backend.Close() }

// machine is what the candidates of a test do.
type machine struct {
	open, bind     map[string]error
	opened, closed atomic.Int32
}

// among puts candidates of the given names in the place of the system's.
func (w *machine) among(t *testing.T, names ...string) {
	before := candidates
	t.Cleanup(func() {
		candidates = before
		proven.Clear()
	})
	proven.Clear()
	candidates = nil
	for _, name := range names {
		candidates = append(candidates, candidate{name: name, open: func(*Options, bool) (backends.Backend, error) {
			if err := w.open[name]; err != nil {
				return nil, err
			}
			w.opened.Add(1)
			return &fake{sim.New(sim.Config{Trace: -1}), name, w.bind[name], &w.closed}, nil
		}})
	}
}

var errBroken = errors.New("broken on purpose")

// TestChoice guards which backend is taken, of which system and which environment, and what is said
// about it.
func TestChoice(t *testing.T) {
	both := []string{"io_uring", "epoll", "portable"}
	for _, tt := range []struct {
		name, ask  string
		have       []string
		open, bind map[string]error
		want       string // the backend
		says       string // of the reason or of the error
		is         error
		warns      bool
	}{
		{name: "first", have: both, want: "io_uring", says: "first choice"},
		{name: "forced", ask: "epoll", have: both, want: "epoll", says: "forced"},
		{name: "list", ask: "portable,epoll", have: both, want: "portable", says: "forced"},
		{name: "forbidden", ask: "-io_uring", have: both, want: "epoll", says: "first that is allowed"},
		{name: "two forbidden", ask: "-io_uring,-epoll", have: both, want: "portable", says: "first that is allowed"},
		{name: "cannot open", have: both, open: map[string]error{"io_uring": syscall.ENOSYS}, want: "epoll",
			says: "fallback: " + syscall.ENOSYS.Error(), warns: true},
		{name: "cannot start", have: both, bind: map[string]error{"io_uring": errBroken}, want: "epoll",
			says: "fallback: broken on purpose", warns: true},
		{name: "third", have: both, open: map[string]error{"io_uring": syscall.EPERM},
			bind: map[string]error{"epoll": errBroken},
			want: "portable", says: "fallback: " + syscall.EPERM.Error() + "; broken on purpose", warns: true},
		{name: "list falls back", ask: "io_uring,portable", have: both,
			open: map[string]error{"io_uring": syscall.EPERM}, want: "portable",
			says: "fallback: " + syscall.EPERM.Error(), warns: true},
		{name: "forced cannot open", ask: "io_uring", have: both, open: map[string]error{"io_uring": syscall.EPERM},
			says: "backend io_uring cannot start: " + syscall.EPERM.Error(), is: syscall.EPERM},
		{name: "forced cannot start", ask: "io_uring", have: both, bind: map[string]error{"io_uring": errBroken},
			says: "backend io_uring cannot start: broken on purpose", is: errBroken},
		{name: "none", have: []string{"portable"}, bind: map[string]error{"portable": errBroken},
			says: "no backend can start", is: errBroken},
		{name: "not here", ask: "portable", have: both[:2], says: "backend portable is not available on",
			is: errors.ErrUnsupported},
		{name: "nothing here", have: nil, says: "is not available on", is: errors.ErrUnsupported},
		{name: "unknown", ask: "select", have: both, says: `no backend is called "select"`},
		{name: "not there at all", ask: "kqueue", have: both,
			says: `no backend is called "kqueue": there are io_uring, epoll, portable`},
		{name: "misspelt", ask: "uring", have: both,
			says: `no backend is called "uring": did you mean io_uring? There are io_uring, epoll, portable`},
		{name: "mixed", ask: "epoll,-io_uring", have: both, says: "either name those"},
		{name: "trailing comma", ask: "epoll,", have: both, says: `no backend is called ""`},
		{name: "all forbidden", ask: "-portable", have: []string{"portable"}, says: "is not available on",
			is: errors.ErrUnsupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := machine{open: tt.open, bind: tt.bind}
			w.among(t, tt.have...)
			var log bytes.Buffer
			o := Options{Backend: tt.ask, Drive: DriveThread, Loops: 2,
				Logger: slog.New(slog.NewTextHandler(&log, nil))}
			r, err := New(o)
			if tt.want == "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) || tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("New: %v, want one that says %q and is %v", err, tt.says, tt.is)
				}
			} else {
				if err != nil {
					t.Fatal(err)
				}
				l, err := r.Any(1) // the second loop
				if err != nil {
					t.Fatal(err)
				}
				if got := l.be.Name(); got != tt.want {
					t.Errorf("the second loop has backend %s", got)
				}
				if i := r.Info(); i.Backend != tt.want || !strings.Contains(i.Reason, tt.says) {
					t.Errorf("Info: %q because %q, want %q because %q", i.Backend, i.Reason, tt.want, tt.says)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
			if lines := strings.Count(log.String(), "\n"); lines > 1 || (lines == 1) != tt.warns {
				t.Errorf("logged %q", log.String())
			}
			if w.opened.Load() != w.closed.Load() {
				t.Errorf("%d backends were opened, %d closed", w.opened.Load(), w.closed.Load())
			}

			w.opened.Store(0)
			w.closed.Store(0)
			l, err := NewLoop(o)
			if tt.want == "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) || tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("NewLoop: %v, want one that says %q and is %v", err, tt.says, tt.is)
				}
			} else {
				if err != nil {
					t.Fatal(err)
				}
				if got := l.be.Name(); got != tt.want {
					t.Errorf("NewLoop took %s", got)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
			if w.opened.Load() != w.closed.Load() {
				t.Errorf("NewLoop: %d backends were opened, %d closed", w.opened.Load(), w.closed.Load())
			}
		})
	}
}

// TestProvenOnce guards that a backend is tried out once in a process, and again after it has
// failed.
func TestProvenOnce(t *testing.T) {
	w := machine{bind: map[string]error{"epoll": errBroken}}
	w.among(t, "epoll")
	for i, want := range []int{2, 2, 2, 1, 1} {
		if i == 2 {
			w.bind = nil
		}
		w.opened.Store(0)
		if l, err := NewLoop(Options{}); err == nil {
			l.Close()
		} else if !slices.Contains([]int{0, 1}, i) {
			t.Error(err)
		}
		if int(w.opened.Load()) != want {
			t.Errorf("loop %d: %d backends were opened, want %d", i, w.opened.Load(), want)
		}
	}
}

// TestOneBackendForAll guards that loops which start later have the backend of the first, or fail.
func TestOneBackendForAll(t *testing.T) {
	w := machine{open: map[string]error{}}
	w.among(t, "io_uring", "epoll")
	r, err := New(Options{Drive: DriveThread, Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.open["io_uring"] = syscall.EMFILE
	if l, err := r.Any(1); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("the second loop: %v, %v, want EMFILE", l, err)
	}
	w.open["io_uring"] = nil
	if l, err := r.Any(1); err != nil || l.be.Name() != "io_uring" {
		t.Errorf("the second loop, again: %v", err)
	}
}
