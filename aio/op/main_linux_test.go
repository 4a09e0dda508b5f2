package op_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/uring"
	aiort "github.com/weirgo/weir/runtime"
)

func TestMain(m *testing.M) {
	// Go's netpoller opens its descriptors with the first file that it watches, and keeps them: no
	// leak of a test's.
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	goleak.VerifyTestMain(m)
}

var bg = context.Background()

// patience is how long a test waits for what should happen at once. It is far longer than a slow
// machine needs.
const patience = 20 * time.Second

// on is a loop to run operations on.
type on struct {
	testing.TB
	l  *aiort.Loop
	rt *aiort.Runtime
}

// each runs f on a loop of each backend and drive there is.
func each(t *testing.T, f func(t *testing.T, r *on)) {
	t.Helper()
	for _, backend := range backendsHere() {
		for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
			if want := os.Getenv("WEIR_DRIVE"); want != "" && want != "auto" && want != drive {
				continue
			}
			t.Run(backend+"/"+drive, func(t *testing.T) {
				f(t, start(t, aiort.Options{Backend: backend, Drive: drive, Loops: 1}))
			})
			if backend == "io_uring" && drive == aiort.DriveThread {
				t.Run("io_uring of old", func(t *testing.T) {
					f(t, start(t, aiort.Options{OpenBackend: openOld, Drive: aiort.DriveThread, Loops: 1}))
				})
			}
		}
	}
}

// old is a ring that has none of the operations that came after Linux 5.13, nor any on files: the
// loop does them in another way.
type old struct{ *uring.Backend }

func openOld(bool) (backends.Backend, error) {
	b, err := uring.Open(uring.Config{})
	if err != nil {
		return nil, err
	}
	return old{b}, nil
}

func (old) Supports(code backends.Code) bool { return code < backends.OpSocket }

// backendsHere are those that start on this machine, or the one that WEIR_BACKEND forces.
func backendsHere() []string {
	if b := os.Getenv("WEIR_BACKEND"); b != "" {
		return []string{b}
	}
	var names []string
	for _, name := range []string{"io_uring", "epoll", "portable"} {
		rt, err := aiort.New(aiort.Options{Backend: name, Loops: 1, Drive: aiort.DriveThread})
		if err == nil {
			names = append(names, name)
			rt.Close()
		}
	}
	return names
}

func start(t testing.TB, o aiort.Options) *on {
	t.Helper()
	before := openFDs(t)
	rt, err := aiort.New(o)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, unix.EPERM) {
		t.Skip("cannot start here:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := rt.AnyWorker(0)
	if err != nil {
		t.Fatal(err)
	}
	enough := 2 * patience
	if _, fuzzing := t.(*testing.F); fuzzing {
		enough = math.MaxInt64 // as long as one likes
	}
	watch := time.AfterFunc(enough, func() {
		buf := make([]byte, 1<<20)
		panic(fmt.Sprintf("%s hangs\n%s", t.Name(), buf[:runtime.Stack(buf, true)]))
	})
	t.Cleanup(func() {
		for limit := time.Now().Add(patience); rt.Stats().InFlight != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(limit) { // what is counted is callbacks that have not returned, too
				t.Errorf("%d operations still in flight at the end", rt.Stats().InFlight)
				break
			}
		}
		if err := rt.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		watch.Stop()
		if after := openFDs(t); len(after) > len(before) {
			t.Errorf("descriptors leaked:\nbefore %v\nafter  %v", before, after)
		}
	})
	return &on{TB: t, l: l, rt: rt}
}

func openFDs(t testing.TB) []string {
	t.Helper()
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var fds []string
	for _, e := range dir {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			fds = append(fds, e.Name()+"="+target)
		}
	}
	return fds
}

func (r *on) do(ops ...*op.Op) error { return op.Do(bg, r.l, ops...) }

// ok runs ops, all of which must succeed.
func (r *on) ok(ops ...*op.Op) {
	r.Helper()
	if err := r.do(ops...); err != nil {
		r.Fatal(err)
	}
}

// fails runs one operation, which must fail with want, or with one of those that other file systems
// have instead.
func (r *on) fails(want error, o *op.Op, or ...error) {
	r.Helper()
	err := r.do(o)
	for _, other := range or {
		if errors.Is(err, other) {
			want = other
		}
	}
	var e *op.Error
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Index != 0 || !errors.Is(o.Err, want) || o.N != 0 {
		r.Errorf("%v: Do is %v, Err %v, N %d, want %v", o, err, o.Err, o.N, want)
	}
}

func (r *on) pipe() (rd, wr int) {
	r.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

func (r *on) pair() (a, b int) {
	r.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

// listen makes a listening socket with a connection that waits to be accepted, whose other end is
// conn.
func (r *on) listen() (fd, conn int) {
	r.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{}); err != nil { // an abstract name of the kernel's choice
		r.Fatal(err)
	}
	if err := unix.Listen(fd, 8); err != nil {
		r.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		r.Fatal(err)
	}
	conn, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.Fatal(err)
	}
	if err := unix.Connect(conn, name); err != nil {
		r.Fatal(err)
	}
	return fd, conn
}

// file makes a file and opens it.
func (r *on) file(content string) (fd int, name string) {
	r.Helper()
	name = filepath.Join(r.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		r.Fatal(err)
	}
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { unix.Close(fd) })
	return fd, name
}

// results says what became of ops, in short.
func results(ops ...*op.Op) string {
	var s []string
	for _, o := range ops {
		switch {
		case o.Err == nil:
			s = append(s, fmt.Sprint(o.N))
		case o.Err == op.ErrCanceled:
			s = append(s, "cancelled")
		case o.Err == op.ErrSkipped:
			s = append(s, "skipped")
		case o.Err == op.ErrShort:
			s = append(s, "short")
		case errors.Is(o.Err, os.ErrDeadlineExceeded):
			s = append(s, "deadline")
		default:
			var errno unix.Errno
			if errors.As(o.Err, &errno) {
				s = append(s, unix.ErrnoName(errno))
			} else {
				s = append(s, o.Err.Error())
			}
		}
	}
	return strings.Join(s, " ")
}
