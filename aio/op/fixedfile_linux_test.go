package op_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/uring"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

// register makes a file of fd, which is to be closed at the end.
func (r *on) register(fd int) *op.FixedFile {
	r.Helper()
	f, err := r.rt.RegisterFile(fd)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		if err := f.Close(); err != nil && err != net.ErrClosed {
			r.Errorf("FixedFile.Close: %v", err)
		}
	})
	return f
}

// moved is register for a descriptor of which nothing but the file is left.
func (r *on) moved(fd int) *op.FixedFile {
	r.Helper()
	f := r.register(fd)
	if err := unix.Close(fd); err != nil {
		r.Error(err)
	}
	return f
}

func (r *on) socket(domain, kind int) int {
	r.Helper()
	o := op.Socket(domain, kind|unix.SOCK_NONBLOCK, 0)
	r.ok(o)
	return o.N
}

// TestFiles does every operation that can be on a registered file on one whose first descriptor is
// closed, on every backend and drive: it works as on a descriptor.
func TestFiles(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		_, name := r.file("0123456789")
		fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := r.moved(fd)
		if want := r.rt.Info().Backend; f.Registered() != (f.Reason() == nil) ||
			(want == "epoll" || want == "portable") != errors.Is(f.Reason(), errors.ErrUnsupported) {
			t.Errorf("registered %v on %s: %v", f.Registered(), want, f.Reason())
		}
		buf, a, b := make([]byte, 4), make([]byte, 3), make([]byte, 5)
		get := func(want string, o *op.Op, p ...[]byte) {
			t.Helper()
			r.ok(o.SetFile(f))
			var got []byte
			for _, b := range p {
				got = append(got, b...)
			}
			if o.N != len(want) || string(got[:min(o.N, len(got))]) != want {
				t.Errorf("%v: %d, %q, want %q", o, o.N, got, want)
			}
		}
		get("3456", op.Read(-1, buf, 3), buf)
		get("0123", op.Read(-1, buf, op.Stream), buf)
		get("456", op.Read(-1, a, op.Stream), a)
		get("12345678", op.Readv(-1, [][]byte{a, nil, b}, 1), a, b)
		get("", op.Read(-1, buf, 10), buf)
		pool := r.buffers(1, 64)
		lent := r.get(pool)
		defer r.release(lent)
		get("0123456789", op.ReadFixed(-1, lent, 0), lent.Bytes())
		copy(lent.Bytes(), "wxyz")
		r.ok(op.Write(-1, []byte("ab"), 9).SetFile(f), op.Writev(-1, [][]byte{[]byte("c"), []byte("de")},
			11).SetFile(f),
			op.WriteFixed(-1, lent, 1).SetRange(0, 4).SetFile(f))
		if got, _ := os.ReadFile(name); string(got) != "0wxyz5678abcde" {
			t.Errorf("the file has %q", got)
		}
		r.ok(op.Fsync(-1).SetFile(f), op.Fdatasync(-1).SetFile(f),
			op.SyncFileRange(-1, 0, 5, unix.SYNC_FILE_RANGE_WRITE).SetFile(f),
			op.Fallocate(-1, 0, 0, 100).SetFile(f), op.Fadvise(-1, 0, 0, unix.FADV_SEQUENTIAL).SetFile(f))
		r.ok(op.Ftruncate(-1, 7).SetFile(f))
		if got, _ := os.ReadFile(name); string(got) != "0wxyz56" {
			t.Errorf("the file has %q", got)
		}
		if set := op.Fsetxattr(-1, "user.weir", []byte("value"), 0).SetFile(f); r.do(set) == nil {
			value := make([]byte, 10)
			get("value", op.Fgetxattr(-1, "user.weir", value), value)
		} else if !errors.Is(set.Err, unix.EOPNOTSUPP) {
			t.Error(set.Err)
		}

		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			t.Fatal(err)
		}
		rd, wr := r.moved(p[0]), r.moved(p[1])
		late := op.Start(r.l, op.Read(-1, buf, op.Stream).SetFile(rd), op.Poll(-1, unix.POLLIN).SetFile(rd))
		r.ok(op.Timeout(time.Millisecond), op.Write(-1, []byte("late"), op.Stream).SetFile(wr))
		if err := late.Wait(bg); err != nil || string(buf) != "late" {
			t.Errorf("a pipe: %q, %v", buf, err)
		}
		r2, w2 := r.pipe()
		r.ok(op.Write(w2, []byte("spliced"), op.Stream))
		if o := op.Tee(r2, -1, 100, 0).SetFile(wr); r.do(o) != nil || o.N != 7 {
			t.Errorf("tee: %d, %v", o.N, o.Err)
		}
		if o := op.Splice(r2, op.Stream, -1, 0, 100, 0).SetFile(f); r.do(o) != nil || o.N != 7 {
			t.Errorf("splice: %d, %v", o.N, o.Err)
		}
		spliced := make([]byte, 7)
		get("spliced", op.Read(-1, spliced, 0), spliced)
		r.fails(unix.EINVAL, op.Fsync(-1).SetFile(rd))
		r.fails(unix.EBADF, op.Write(-1, buf, op.Stream).SetFile(rd))

		l := r.moved(r.socket(unix.AF_INET, unix.SOCK_STREAM))
		r.fails(unix.EINVAL, op.Accept(-1, 0).SetFile(l))
		r.ok(op.Bind(-1, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}).SetFile(l).Link(), op.Listen(-1, 8).SetFile(l))
		addr := nameOf(t, l.FD(), nil)
		c, accept := r.moved(r.socket(unix.AF_INET, unix.SOCK_STREAM)), op.Accept(-1, unix.SOCK_NONBLOCK).SetFile(l)
		r.ok(accept, op.Timeout(time.Millisecond).Link(), op.Connect(-1, addr).SetFile(c))
		s := r.moved(accept.N)
		in := make([]byte, 20)
		m := &op.Msg{Bufs: [][]byte{make([]byte, 20)}}
		r.ok(op.Recv(-1, in[:9], unix.MSG_WAITALL).SetFile(s).Link(), op.RecvMsg(-1, m, 0).SetFile(s),
			op.Send(-1, []byte("one"), 0).SetFile(c).Link(), op.SendZC(-1, []byte("two"), 0).SetFile(c).Link(),
			op.SendMsg(-1, &op.Msg{Bufs: [][]byte{[]byte("sixfour")}}, 0).SetFile(c))
		if got := string(in[:9]) + string(m.Bufs[0][:4]); got != "onetwosixfour" {
			t.Errorf("received %q", got)
		}
		end := op.Recv(-1, in, 0).SetFile(s)
		r.ok(op.SendMsgZC(-1, &op.Msg{Bufs: [][]byte{[]byte("last")}}, 0).SetFile(c).Link(),
			op.Shutdown(-1, unix.SHUT_WR).SetFile(c).Link(),
			op.Recv(-1, in, unix.MSG_WAITALL).SetFile(s).LinkAlways(), end)
		if end.N != 0 || string(in[:4]) != "last" {
			t.Errorf("at the end: %d, %q", end.N, in)
		}
		r.fails(unix.ENOTSOCK, op.Recv(-1, in, 0).SetFile(f))

		started := r.rt.Stats().Ops
		for code := range backends.Code(backends.NumCodes) {
			if o := (&backends.Op{Code: code, Args: new(backends.Args)}); o.TakesFile() && started[code.String()] == 0 {
				t.Errorf("no %v: a row is missing here", code)
			}
		}
	})
}

// TestFilesAreFixed: where a file is registered the kernel is given its place and not a descriptor:
// where that is denied something else has to be done, on the ring still. On another runtime it is
// the descriptor.
func TestFilesAreFixed(t *testing.T) {
	denied := func(bool) (backends.Backend, error) {
		return uring.Open(uring.Config{DenyFlags: sys.SQEFixedFile})
	}
	r := start(t, aiort.Options{OpenBackend: denied, Drive: aiort.DriveThread, Loops: 1})
	other := start(t, aiort.Options{OpenBackend: denied, Drive: aiort.DriveThread, Loops: 1})
	fd, _ := r.file("text")
	f := r.register(fd)
	if !f.Registered() {
		t.Fatal(f.Reason())
	}
	buf := make([]byte, 4)
	for _, tt := range []struct {
		*on
		want string
	}{{other, "[]"}, {r, "[read_fixed]"}, {r, "[read_fixed]"}} {
		clear(buf)
		tt.ok(op.Read(-1, buf, 0).SetFile(f))
		if got := fmt.Sprint(tt.rt.Info().Fallbacks); got != tt.want || string(buf) != "text" {
			t.Errorf("fallbacks %s, want %s; read %q", got, tt.want, buf)
		}
	}
	const n = 20
	before := r.rt.Stats().SQEs
	for range n {
		r.ok(op.Read(-1, buf, 0).SetFile(f))
	}
	if took := r.rt.Stats().SQEs - before; took > n+n/2 {
		t.Errorf("%d reads took %d entries: what is denied is tried each time", n, took)
	}
	r.ok(op.Write(-1, buf, 0).SetFile(f).Link(), op.Fsync(-1).SetFile(f))
	if got := fmt.Sprint(r.rt.Info().Fallbacks); got != "[fsync_fixed read_fixed write_fixed]" {
		t.Errorf("fallbacks %s", got)
	}
}

// TestFilesDenied: a ring that does not register files, or has no room for them, uses descriptors,
// and says why.
func TestFilesDenied(t *testing.T) {
	r := start(t, aiort.Options{Drive: aiort.DriveThread, Loops: 1, OpenBackend: func(bool) (backends.Backend, error) {
		return uring.Open(uring.Config{DenyTables: true})
	}})
	fd, _ := r.file("text")
	f, buf := r.register(fd), make([]byte, 4)
	if f.Registered() || !errors.Is(f.Reason(), unix.EACCES) {
		t.Errorf("registered %v: %v", f.Registered(), f.Reason())
	}
	r.ok(op.Read(-1, buf, 0).SetFile(f))
	if got := r.rt.Info().Fallbacks; len(got) != 0 || string(buf) != "text" {
		t.Errorf("fallbacks %s, read %q", got, buf)
	}
}

// TestFilesMany: files beyond those that the table has room for work, and say why they are not
// registered; a place that was given up is taken again.
func TestFilesMany(t *testing.T) {
	r := start(t, aiort.Options{Backend: "io_uring", Loops: 1})
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < backends.MaxFiles+100 {
		t.Skipf("RLIMIT_NOFILE is %d", limit.Cur)
	}
	fd, _ := r.file("text")
	files := make([]*op.FixedFile, backends.MaxFiles+1)
	for i := range files {
		files[i] = r.register(fd)
		if full := i == backends.MaxFiles; files[i].Registered() == full || full != errors.Is(files[i].Reason(),
			unix.EMFILE) {
			t.Fatalf("file %d: %v", i, files[i].Reason())
		}
	}
	last, buf := files[backends.MaxFiles], make([]byte, 4)
	r.ok(op.Read(-1, buf, 0).SetFile(last))
	if string(buf) != "text" {
		t.Errorf("read %q", buf)
	}
	if err := errors.Join(last.Close(), files[100].Close()); err != nil {
		t.Error(err)
	}
	if f := r.register(fd); !f.Registered() {
		t.Error(f.Reason())
	}
	if f := r.register(fd); f.Registered() {
		t.Error("registered beyond the limit")
	}
}

// TestFilesLoops: loops that start later know what was registered before, and forget what is
// closed.
func TestFilesLoops(t *testing.T) {
	denied := func(bool) (backends.Backend, error) {
		return uring.Open(uring.Config{DenyFlags: sys.SQEFixedFile})
	}
	r := start(t, aiort.Options{OpenBackend: denied, Drive: aiort.DriveThread, Loops: 2})
	fd, _ := r.file("text")
	gone, f := r.register(fd), r.register(fd)
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := r.rt.AnyWorker(1)
	if err != nil {
		t.Fatal(err)
	}
	if l == r.l {
		t.Fatal("the same loop")
	}
	if !f.Registered() {
		t.Fatal(f.Reason())
	}
	if err := op.Do(bg, l, op.Read(-1, make([]byte, 1), 0).SetFile(f)); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(r.rt.Info().Fallbacks); got != "[read_fixed]" { // so the second loop has it at its place
		t.Errorf("fallbacks %s", got)
	}
	again := r.register(fd)
	if err := errors.Join(f.Close(), again.Close()); err != nil {
		t.Error(err)
	}
}

// TestFilesMisuse: each wrong use is an error of its own, and harms nothing.
func TestFilesMisuse(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		fd, _ := r.file("text")
		for _, bad := range []int{-1, 1 << 20} {
			if f, err := r.rt.RegisterFile(bad); err != unix.EBADF || f != nil {
				t.Errorf("RegisterFile(%d): %v", bad, err)
			}
		}
		f, buf := r.register(fd), make([]byte, 4)
		used := op.Read(-1, buf, 0).SetFile(f)
		r.ok(used)
		if err := r.do(used, used); err != op.ErrInFlight {
			t.Error(err)
		}
		if err := r.do(used, op.Nop().Link()); err == nil {
			t.Error("a loose link")
		}
		pool := r.buffers(1, 4)
		lent := r.get(pool)
		both := op.ReadFixed(-1, lent, 0).SetFile(f)
		r.ok(both)
		r.release(lent)
		r.fails(op.ErrReleased, both) // and f is not held
		// The last of these counts.
		other, _ := r.file("other")
		source := op.Open(op.CWD, "/dev/null", unix.O_RDONLY, 0)
		r.ok(source)
		defer unix.Close(source.N)
		for _, tt := range []struct {
			o    *op.Op
			want int
		}{
			{op.Read(other, buf, 0).From(source).SetFile(f), 4}, {op.Read(other, buf, 0).SetFile(f).From(source), 0},
			{op.Read(-1, buf, 0).SetFile(f).SetFD(source.N), 0},
			{op.Read(other, buf, 0).From(source).SetFile(f).From(nil), 4},
		} {
			if r.ok(tt.o); tt.o.N != tt.want {
				t.Errorf("read %d, want %d", tt.o.N, tt.want)
			}
		}
		for name, o := range map[string]*op.Op{
			"nop": op.Nop(), "open": op.Open(op.CWD, "/", 0, 0), "close": op.Close(fd),
			"closesocket": op.CloseSocket(fd), "timeout": op.Timeout(1),
			"statx": op.Statx(op.CWD, "/", 0, 0, new(op.Stat)), "getxattr": op.Getxattr("/", "user.x", nil),
			"pipe":   op.Pipe(0),
			"cancel": op.Cancel(used), "waitid": op.WaitChild(fd),
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("SetFile of %s did not panic", name)
					}
				}()
				o.SetFile(f)
			}()
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != net.ErrClosed {
			t.Errorf("second Close: %v", err)
		}
		if f.FD() != -1 {
			t.Errorf("descriptor %d after Close", f.FD())
		}
		for name, o := range map[string]*op.Op{"used before": used, "made after": op.Read(fd, buf, 0).SetFile(f)} {
			r.fails(net.ErrClosed, o)
			if s := op.Start(r.l, o); !errors.Is(s.Wait(bg), net.ErrClosed) {
				t.Errorf("%s: Start: %v", name, s.Wait(bg))
			}
		}
		r.ok(used.SetFD(fd))
	})
}

// TestFilesClose: Close ends what is in flight on the file, waits for it and for what follows in a
// chain, and leaves alone what is in flight on others, the same file's first descriptor included.
func TestFilesClose(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		a, b := r.pair()
		f := r.register(a)
		buf := func() []byte { return make([]byte, 10) }
		write := op.Write(-1, []byte("x"), op.Stream)
		flying := []*op.Op{
			op.Recv(-1, buf(), 0).SetFile(f), op.Poll(-1, unix.POLLIN).SetFile(f),
			op.Read(-1, buf(), op.Stream).SetFile(f),
			op.RecvMsg(-1, &op.Msg{Bufs: [][]byte{buf()}}, 0).SetFile(f).LinkAlways(),
			op.Recv(-1, buf(), 0).SetFile(f).LinkAlways(), op.Nop(),
			op.Recv(-1, buf(), 0).SetFile(f).Link(), write.SetFile(f),
		}
		s := op.Start(r.l, flying...)
		spared := op.Start(r.l, op.Recv(a, buf(), 0))
		r.ok(op.Timeout(time.Millisecond))
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		<-s.Done()
		for i, o := range flying {
			switch {
			case o == write:
				if o.Err != op.ErrSkipped {
					t.Errorf("operation %d: %v, want that it was skipped", i, o.Err)
				}
			case o == flying[5]:
				if o.Err != nil {
					t.Errorf("a nop behind: %v", o.Err)
				}
			case !errors.Is(o.Err, net.ErrClosed):
				t.Errorf("operation %d: %v", i, o.Err)
			}
		}
		r.ok(op.Send(b, []byte("more"), 0))
		if err := spared.Wait(bg); err != nil {
			t.Errorf("on the first descriptor: %v", err)
		}

		// Each file of a list stays open until the list is over, also for what has not started.
		fd, _ := r.file("text")
		one, two := r.register(fd), r.register(fd)
		read := func(f *op.FixedFile) *op.Op { return op.Read(-1, buf(), 0).SetFile(f) }
		const pause = 50 * time.Millisecond
		for i, f := range []*op.FixedFile{two, one} {
			start := time.Now()
			s := op.Start(r.l, read(one), op.Timeout(pause).Link(), read(f), read(f))
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if d := time.Since(start); d < pause {
				t.Errorf("list %d: closed after %v, in the middle of it", i, d)
			}
			if err := s.Wait(bg); !errors.Is(err, net.ErrClosed) {
				t.Errorf("list %d: %v", i, err)
			}
		}

		// The file is gone when Close returns, since it is not open elsewhere.
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(p[0])
		wr := r.moved(p[1])
		r.ok(op.Write(-1, []byte("x"), op.Stream).SetFile(wr))
		if err := wr.Close(); err != nil {
			t.Fatal(err)
		}
		end := op.Read(p[0], buf(), op.Stream)
		if r.ok(end, op.Timeout(0)); end.N != 1 {
			t.Errorf("read %d", end.N)
		}
		if r.ok(end); end.N != 0 {
			t.Errorf("read %d at the end", end.N)
		}
	})
}

// TestFilesShutdown: the runtime ends what is in flight, and the file stays open until it is
// closed.
func TestFilesShutdown(t *testing.T) {
	for _, backend := range backendsHere() {
		for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
			t.Run(backend+"/"+drive, func(t *testing.T) {
				rt, err := aiort.New(aiort.Options{Backend: backend, Drive: drive, Loops: 1})
				if err != nil {
					t.Skip(err)
				}
				r := &on{TB: t, rt: rt}
				if r.l, err = rt.AnyWorker(0); err != nil {
					t.Fatal(err)
				}
				a, _ := r.pipe()
				f := r.register(a)
				o := op.Read(-1, make([]byte, 1), op.Stream).SetFile(f)
				s := op.Start(r.l, o)
				if err := rt.Close(); err != nil {
					t.Fatal(err)
				}
				if err := s.Wait(bg); !errors.Is(err, net.ErrClosed) {
					t.Errorf("in flight: %v", err)
				}
				if err := r.do(o); !errors.Is(err, net.ErrClosed) {
					t.Errorf("after: %v", err)
				}
				if _, err := rt.RegisterFile(a); !errors.Is(err, net.ErrClosed) {
					t.Errorf("RegisterFile after: %v", err)
				}
				fd := f.FD()
				if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
					t.Error(err)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
				if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
					t.Errorf("the descriptor after Close: %v", err)
				}
			})
		}
	}
}

// TestFilesRace: files are registered, used by many goroutines and closed meanwhile. Each operation
// is done or says that the file is closed, and none reaches the next file at that index or
// descriptor.
func TestFilesRace(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		names := make([]string, 4)
		for i := range names {
			_, names[i] = r.file(strings.Repeat(string(rune('a'+i)), 100))
		}
		var wg sync.WaitGroup
		for i, name := range names {
			wg.Go(func() {
				for range 15 {
					fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
					if err != nil {
						t.Error(err)
						return
					}
					f, err := r.rt.RegisterFile(fd)
					unix.Close(fd)
					if err != nil {
						t.Error(err)
						return
					}
					var users sync.WaitGroup
					for range 2 {
						users.Go(func() {
							buf := make([]byte, 100)
							o := op.Read(-1, buf, 0).SetFile(f)
							for {
								switch err := op.Do(bg, r.l, o); {
								case errors.Is(err, net.ErrClosed):
									return
								case err != nil || o.N != 100 || buf[0] != byte('a'+i) || buf[99] != byte('a'+i):
									t.Errorf("read %d, %q of file %d: %v", o.N, buf, i, err)
									return
								}
							}
						})
					}
					if err := errors.Join(op.Do(bg, r.l, op.Timeout(100*time.Microsecond)), f.Close()); err != nil {
						t.Error(err)
					}
					users.Wait()
				}
			})
		}
		wg.Wait()
	})
}

// TestFilesNoAllocations: operations on files allocate nothing when they are reused, with one file
// or another.
func TestFilesNoAllocations(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
		t.Run(drive, func(t *testing.T) {
			r := start(t, aiort.Options{Drive: drive, Loops: 1})
			fd, _ := r.file("text")
			f, g := r.register(fd), r.register(fd)
			rd, wr := op.Read(-1, make([]byte, 4), 0).SetFile(f), op.Write(-1, []byte("x"), 0).SetFile(f)
			if n := testing.AllocsPerRun(200, func() {
				r.ok(rd.SetFile(f), wr.SetFile(g))
			}); n >= 1 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// BenchmarkFile reads one byte from /dev/zero, alone and in lists of 32, by way of a descriptor and
// of a registered file: what is left of each read is mostly what it costs to get at the file.
func BenchmarkFile(b *testing.B) {
	for _, n := range []int{1, 32} {
		for _, kind := range []string{"plain", "fixed"} {
			b.Run(fmt.Sprintf("%d/%s", n, kind), func(b *testing.B) {
				r := start(b, aiort.Options{Drive: aiort.DriveScheduler, Loops: 1})
				fd, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					b.Fatal(err)
				}
				defer unix.Close(fd)
				f := r.register(fd)
				ops := make([]*op.Op, n)
				for i := range ops {
					ops[i] = op.Read(fd, make([]byte, 1), 0)
					if kind == "fixed" {
						ops[i].SetFile(f)
					}
				}
				b.ReportAllocs()
				b.ResetTimer()
				for i := 0; i < b.N; i += n {
					r.ok(ops...)
				}
			})
		}
	}
}
