package op_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
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

// buffers registers some, which are to be closed at the end.
func (r *on) buffers(n, size int) *aiort.Buffers {
	r.Helper()
	p, err := r.rt.RegisterBuffers(n, size)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		if err := p.Close(); err != nil && err != net.ErrClosed {
			r.Errorf("Buffers.Close: %v", err)
		}
	})
	return p
}

func (r *on) get(p *aiort.Buffers) op.Buffer {
	r.Helper()
	b, err := p.Get(bg)
	if err != nil {
		r.Fatal(err)
	}
	return b
}

func (r *on) release(b op.Buffer) {
	r.Helper()
	if err := b.Release(); err != nil {
		r.Errorf("Release: %v", err)
	}
}

// pinned is how much memory of this process is registered.
func pinned(t testing.TB) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "VmPin:")
	line, _, _ = strings.Cut(line, "\n")
	return strings.TrimSpace(line)
}

// TestFixed: what is written comes back, whole and in part, on a file, past the page cache, and
// through a pipe that has to be waited for, on every backend and drive.
func TestFixed(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		p := r.buffers(4, 8192)
		if want := r.rt.Info().Backend; p.Registered() != (p.Reason() == nil) ||
			(want == "epoll" || want == "portable") != errors.Is(p.Reason(), errors.ErrUnsupported) {
			t.Errorf("registered %v on %s: %v", p.Registered(), want, p.Reason())
		}
		out, in := r.get(p), r.get(p)
		defer r.release(out)
		defer r.release(in)
		rand.NewChaCha8([32]byte{1}).Read(out.Bytes())
		fd, name := r.file("")
		w, rd := op.WriteFixed(fd, out, 0), op.ReadFixed(fd, in, 0)
		r.ok(w.Link(), rd)
		if w.N != 8192 || rd.N != 8192 || !bytes.Equal(in.Bytes(), out.Bytes()) {
			t.Errorf("wrote %d, read %d, equal %v", w.N, rd.N, bytes.Equal(in.Bytes(), out.Bytes()))
		}
		clear(in.Bytes())
		r.ok(rd.SetRange(100, 300).SetOffset(1000))
		if want := slices.Concat(make([]byte, 100), out.Bytes()[1000:1200], make([]byte, 8192-300)); rd.N != 200 ||
			!bytes.Equal(in.Bytes(), want) {
			t.Errorf("a part: %d bytes, or in the wrong place", rd.N)
		}
		r.ok(rd.SetBuffer(in).SetOffset(8000))
		if rd.N != 192 || !bytes.Equal(in.Bytes()[:192], out.Bytes()[8000:]) {
			t.Errorf("at the end: %d bytes", rd.N)
		}
		r.ok(rd.SetOffset(9000))
		if rd.N != 0 {
			t.Errorf("beyond the end: %d bytes", rd.N)
		}
		r.ok(op.WriteFixed(fd, out, 0).SetRange(5, 5))
		r.fails(unix.EBADF, op.ReadFixed(-1, in, 0))
		r.fails(unix.EINVAL, op.ReadFixed(fd, in, -2))
		ro, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(ro)
		r.fails(unix.EBADF, op.WriteFixed(ro, out, 0))

		if direct, err := unix.Open(name, unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0); err != nil {
			t.Log("the file system has no O_DIRECT:", err)
		} else {
			defer unix.Close(direct)
			clear(in.Bytes())
			w, rd := op.WriteFixed(direct, out, 0), op.ReadFixed(direct, in, 4096).SetRange(4096, 8192)
			r.ok(w.Link(), rd)
			if w.N != 8192 || rd.N != 4096 || !bytes.Equal(in.Bytes()[4096:], out.Bytes()[4096:]) ||
				in.Bytes()[4095] != 0 {
				t.Errorf("past the page cache: wrote %d, read %d", w.N, rd.N)
			}
		}

		a, b := r.pipe()
		late := op.Start(r.l, op.ReadFixed(a, in, op.Stream).SetRange(10, 20))
		r.ok(op.Timeout(time.Millisecond), op.WriteFixed(b, out, op.Stream).SetRange(0, 4))
		if err := late.Wait(bg); err != nil || !bytes.Equal(in.Bytes()[10:14], out.Bytes()[:4]) {
			t.Errorf("pipe: %v", err)
		}
	})
}

// TestFixedIsFixed: what a pool that is registered is used for are the kernel's operations on
// registered memory: where those are denied something else has to be done. On a runtime that the
// pool is not of, and after its place was vacated, they are plain.
func TestFixedIsFixed(t *testing.T) {
	denied := func(bool) (backends.Backend, error) {
		return uring.Open(uring.Config{Deny: []sys.Opcode{sys.OpReadFixed, sys.OpWriteFixed}})
	}
	r := start(t, aiort.Options{OpenBackend: denied, Drive: aiort.DriveThread, Loops: 1})
	other := start(t, aiort.Options{OpenBackend: denied, Drive: aiort.DriveThread, Loops: 1})
	p := r.buffers(1, 4096)
	if !p.Registered() {
		t.Skip("cannot be registered here:", p.Reason())
	}
	b := r.get(p)
	defer r.release(b)
	fd, _ := r.file("text")
	rd := op.ReadFixed(fd, b, 0)
	for _, tt := range []struct {
		*on
		want string
	}{{other, "[]"}, {r, "[read_fixed]"}} {
		clear(b.Bytes())
		tt.ok(op.ReadFixed(fd, b, 0))
		if got := fmt.Sprint(tt.rt.Info().Fallbacks); got != tt.want || string(b.Bytes()[:4]) != "text" {
			t.Errorf("fallbacks %s, want %s; read %q", got, tt.want, b.Bytes()[:4])
		}
	}
	r.ok(rd)
}

// TestFixedMisuse: each wrong use is an error of its own, and harms nothing.
func TestFixedMisuse(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		p := r.buffers(1, 100)
		fd, _ := r.file("some text")
		stale := r.get(p)
		used := op.ReadFixed(fd, stale, 0)
		r.ok(used)
		r.release(stale)
		if err := stale.Release(); err != op.ErrReleased {
			t.Errorf("double release: %v", err)
		}
		b := r.get(p) // the same memory
		for name, o := range map[string]*op.Op{
			"used before": used, "made after": op.ReadFixed(fd, stale, 0), "write": op.WriteFixed(fd, stale, 0),
			"zero": op.ReadFixed(fd, op.Buffer{}, 0),
			"set":  op.ReadFixed(fd, b, 0).SetBuffer(stale), "range": used.SetRange(0, 5),
		} {
			r.fails(op.ErrReleased, o)
			if s := op.Start(r.l, o); !errors.Is(s.Wait(bg), op.ErrReleased) {
				t.Errorf("%s: Start: %v", name, s.Wait(bg))
			}
		}
		for _, bad := range [][2]int{{-1, 5}, {5, 4}, {0, 101}, {101, 101}} {
			func() {
				defer func() {
					if text := fmt.Sprint(recover()); !strings.Contains(text, "of a Buffer of 100 bytes") {
						t.Errorf("SetRange(%d, %d) panics with %q", bad[0], bad[1], text)
					}
				}()
				op.ReadFixed(fd, b, 0).SetRange(bad[0], bad[1])
			}()
		}
		new(op.Runner).Cancel() // which has nothing to end
		// What was not submitted for another's fault is not held.
		good := op.ReadFixed(fd, b, 0)
		if err := r.do(good, op.ReadFixed(fd, stale, 0)); !errors.Is(err, op.ErrReleased) {
			t.Error(err)
		}
		if err := r.do(good, good); err != op.ErrInFlight {
			t.Error(err)
		}
		if err := r.do(good, op.Nop().Link()); err == nil {
			t.Error("a loose link")
		}
		ctx, cancel := context.WithCancel(bg)
		cancel()
		if err := op.Do(ctx, r.l, good); err != context.Canceled {
			t.Error(err)
		}
		r.ok(good.SetBuffer(b))
		for name, f := range map[string]func(){
			"SetBuf": func() { good.SetBuf(nil) }, "SetBuffer": func() { op.Nop().SetBuffer(b) },
			"SetRange of Read": func() { op.Read(fd, nil, 0).SetRange(0, 0) },
			"SetRange":         func() { good.SetRange(0, 101) }, "Bytes": func() { stale.Bytes() },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s did not panic", name)
					}
				}()
				f()
			}()
		}
		if err := p.Close(); !errors.Is(err, op.ErrInUse) {
			t.Errorf("Close with a buffer out: %v", err)
		}
		r.release(b)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != net.ErrClosed {
			t.Errorf("second Close: %v", err)
		}
		r.fails(op.ErrReleased, good)
		for _, bad := range [][2]int{{0, 1}, {1, 0}, {-1, 1}, {1, -1}, {1, 1<<30 + 1}, {1 << 20, 1 << 20},
			{1 << 30, 2}} {
			if p, err := r.rt.RegisterBuffers(bad[0], bad[1]); err == nil || p != nil {
				t.Errorf("RegisterBuffers%v: no error", bad)
			}
		}
	})
}

// TestFixedInFlight: while an operation is in flight its buffer cannot be released nor its pool
// closed, however it is submitted and however it ends; then both can.
func TestFixedInFlight(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		p := r.buffers(2, 64)
		a, b := r.pipe()
		for _, end := range []string{"done", "cancelled", "deadline"} {
			buf := r.get(p)
			o := op.ReadFixed(a, buf, op.Stream)
			list := []*op.Op{o}
			if end == "deadline" {
				list = []*op.Op{o.Link(), op.LinkTimeout(50 * time.Millisecond)}
			}
			s := op.Start(r.l, list...)
			if end != "deadline" {
				if err := buf.Release(); !errors.Is(err, op.ErrInUse) {
					t.Errorf("Release in flight: %v", err)
				}
				if err := op.Start(r.l, o).Wait(bg); err != op.ErrInFlight {
					t.Errorf("submitted twice: %v", err)
				}
				if err := buf.Release(); !errors.Is(err, op.ErrInUse) {
					t.Errorf("Release after it was submitted twice: %v", err)
				}
				if err := p.Close(); !errors.Is(err, op.ErrInUse) {
					t.Errorf("Close in flight: %v", err)
				}
			}
			switch end {
			case "done":
				r.ok(op.Write(b, []byte("abc"), op.Stream))
			case "cancelled":
				s.Cancel()
			}
			<-s.Done()
			if want := map[string]string{"done": "3", "cancelled": "cancelled",
				"deadline": "deadline"}[end]; results(o) != want {
				t.Errorf("%s: %s", end, results(o))
			}
			r.release(buf)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestFixedShutdown: the runtime ends what is in flight; buffers can be released and the pool
// closed after it.
func TestFixedShutdown(t *testing.T) {
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
				p := r.buffers(1, 64)
				buf := r.get(p)
				a, _ := r.pipe()
				s := op.Start(r.l, op.ReadFixed(a, buf, op.Stream))
				if err := rt.Close(); err != nil {
					t.Fatal(err)
				}
				if err := s.Wait(bg); !errors.Is(err, net.ErrClosed) {
					t.Errorf("in flight: %v", err)
				}
				if err := r.do(op.ReadFixed(a, buf, op.Stream)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("after: %v", err)
				}
				r.release(buf)
				if _, err := rt.RegisterBuffers(1, 1); !errors.Is(err, net.ErrClosed) {
					t.Errorf("RegisterBuffers after: %v", err)
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestFixedPins: registered memory is pinned from registration, on each loop, also those that start
// later, until its pool is closed, and a place that was given up is taken again.
func TestFixedPins(t *testing.T) {
	const size = 1 << 20
	for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
		t.Run(drive, func(t *testing.T) {
			eventually := func(when string, want int) {
				t.Helper()
				var got int
				for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
					fmt.Sscan(pinned(t), &got)
					if got *= 1024; got == want {
						return
					}
					if time.Now().After(end) {
						t.Fatalf("%s: %d bytes are pinned, want %d", when, got, want)
					}
				}
			}
			eventually("before", 0)
			r := start(t, aiort.Options{Backend: "io_uring", Drive: drive, Loops: 2})
			p := r.buffers(2, size/2)
			if !p.Registered() {
				t.Skip("cannot be registered here:", p.Reason())
			}
			eventually("one loop", size)
			if _, err := r.rt.AnyWorker(1); err != nil {
				t.Fatal(err)
			}
			eventually("two loops", 2*size)
			q := r.buffers(1, size)
			eventually("two pools", 4*size)
			for range 300 { // more than there are places
				if err := q.Close(); err != nil {
					t.Fatal(err)
				}
				if q = r.buffers(1, size/4); !q.Registered() {
					t.Fatal(q.Reason())
				}
			}
			eventually("another pool", 2*size+2*size/4)
			if err := errors.Join(q.Close(), p.Close()); err != nil {
				t.Fatal(err)
			}
			eventually("closed", 0)
			rt, err := aiort.New(aiort.Options{Backend: "io_uring", Drive: drive, Loops: 1})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := rt.RegisterBuffers(1, size); err != nil {
				t.Fatal(err)
			}
			eventually("not closed", size)
			if err := rt.Close(); err != nil {
				t.Fatal(err)
			}
			eventually("runtime closed", 0)
		})
	}
}

// TestFixedMany: pools beyond those that the kernel takes work, and say why they are not
// registered.
func TestFixedMany(t *testing.T) {
	r := start(t, aiort.Options{Loops: 1})
	fd, _ := r.file("text")
	var last *aiort.Buffers
	for range backends.MaxRegions + 1 {
		last = r.buffers(1, 16)
	}
	if last.Registered() {
		t.Error("registered beyond the limit")
	}
	b := r.get(last)
	r.ok(op.ReadFixed(fd, b, 0))
	if string(b.Bytes()[:4]) != "text" {
		t.Errorf("read %q", b.Bytes())
	}
	r.release(b)
	if err := last.Close(); err != nil {
		t.Error(err)
	}
}

// TestFixedMemlock: what RLIMIT_MEMLOCK does not allow is not registered, and works.
func TestFixedMemlock(t *testing.T) {
	for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
		t.Run(drive, func(t *testing.T) {
			if !dropLock(t) {
				return
			}
			var old unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &old); err != nil {
				t.Fatal(err)
			}
			if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 4 << 20, Max: old.Max}); err != nil {
				t.Skip("cannot lower RLIMIT_MEMLOCK:", err)
			}
			defer unix.Setrlimit(unix.RLIMIT_MEMLOCK, &old)
			r := start(t, aiort.Options{Backend: "io_uring", Drive: drive, Loops: 1})
			p := r.buffers(16, 1<<20)
			if !errors.Is(p.Reason(), unix.ENOMEM) {
				t.Errorf("16 MiB with a limit of 4 MiB: %v", p.Reason())
			}
			b := r.get(p)
			fd, _ := r.file("text")
			r.ok(op.WriteFixed(fd, b, 0).SetRange(0, 4).LinkAlways(), op.ReadFixed(fd, b, 0))
			r.release(b)
		})
	}
}

// dropLock takes CAP_IPC_LOCK from the calling thread, which ends with the test. It reports false
// if it skipped the test.
func dropLock(t *testing.T) bool {
	runtime.LockOSThread() // and never unlocked: the thread goes with the test
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		t.Skip("capget:", err)
	}
	data[0].Effective &^= 1 << unix.CAP_IPC_LOCK
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		t.Skip("capset:", err)
	}
	return true
}

// TestFixedPressure: buffers keep their place and their contents while the collector and growing
// stacks disturb them, with many goroutines, and with only the pool and the operations to keep them
// alive.
func TestFixedPressure(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		p := r.buffers(4, 4096)
		fd, _ := r.file("")
		stop := make(chan struct{})
		var gc, users sync.WaitGroup
		gc.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					runtime.GC()
					_ = make([]byte, 1<<20)
				}
			}
		})
		for i := range 8 {
			users.Go(func() {
				for n := range 20 {
					b, err := p.Get(bg)
					if err != nil {
						t.Error(err)
						return
					}
					c := byte(i*20 + n)
					for j := range b.Bytes() {
						b.Bytes()[j] = c
					}
					off := int64(i) * 4096
					if err := op.Do(bg, r.l, op.WriteFixed(fd, b, off)); err != nil {
						t.Error(err)
					}
					clear(b.Bytes())
					deep(100, func() {
						if err := op.Do(bg, r.l, op.ReadFixed(fd, b, off)); err != nil {
							t.Error(err)
						}
					})
					if bad := slices.IndexFunc(b.Bytes(), func(x byte) bool { return x != c }); bad >= 0 {
						t.Errorf("byte %d is %d, want %d", bad, b.Bytes()[bad], c)
					}
					if err := b.Release(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		users.Wait()
		close(stop)
		gc.Wait()
	})
}

// deep calls f on a stack that has grown.
func deep(n int, f func()) {
	var pad [512]byte
	if n == 0 {
		f()
	} else {
		deep(n-1, f)
	}
	runtime.KeepAlive(&pad)
}

// TestFixedNoAllocations: to get, read, write and release allocates nothing, with ops that are
// reused.
func TestFixedNoAllocations(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
		t.Run(drive, func(t *testing.T) {
			r := start(t, aiort.Options{Drive: drive, Loops: 1})
			p := r.buffers(1, 4096)
			fd, _ := r.file("")
			b := r.get(p)
			w, rd := op.WriteFixed(fd, b, 0).Link(), op.ReadFixed(fd, b, 0)
			list := []*op.Op{w, rd}
			r.release(b)
			if n := testing.AllocsPerRun(200, func() {
				b := r.get(p)
				w.SetBuffer(b)
				rd.SetBuffer(b).SetRange(0, 100)
				r.ok(list...)
				r.release(b)
			}); n >= 1 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// BenchmarkDirect reads 4 KiB and 256 KiB past the page cache, 16 reads at a time, with and without
// registered buffers.
func BenchmarkDirect(b *testing.B) {
	for _, size := range []int{4 << 10, 256 << 10} {
		for _, kind := range []string{"plain", "fixed"} {
			b.Run(fmt.Sprintf("%d/%s", size, kind), func(b *testing.B) {
				r := start(b, aiort.Options{Drive: aiort.DriveScheduler, Loops: 1})
				const n = 16
				_, name := r.file(strings.Repeat("x", n*size))
				fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
				if err != nil {
					b.Skip("no O_DIRECT here:", err)
				}
				defer unix.Close(fd)
				p := r.buffers(n, size)
				ops := make([]*op.Op, n)
				for i := range ops {
					buf := r.get(p)
					defer buf.Release()
					if off := int64(i * size); kind == "plain" {
						ops[i] = op.Read(fd, buf.Bytes(), off)
					} else {
						ops[i] = op.ReadFixed(fd, buf, off)
					}
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for i := 0; i < b.N; i += n {
					r.ok(ops...)
				}
			})
		}
	}
}
