//go:build !weir_portable

package op_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/uring"
	aiort "github.com/weirgo/weir/runtime"
)

// bare is a ring that has no reads and writes: the loop does them as system calls.
type bare struct{ *uring.Backend }

func (b bare) Supports(code backends.Code) bool {
	return !code.TakesStorageFlags() && b.Backend.Supports(code)
}

func openBare(bool) (backends.Backend, error) {
	b, err := uring.Open(uring.Config{})
	if err != nil {
		return nil, err
	}
	return bare{b}, nil
}

// everyWay is each, and on a ring without reads and writes.
func everyWay(t *testing.T, f func(t *testing.T, r *on)) {
	t.Helper()
	each(t, f)
	for _, backend := range backendsHere() {
		if backend == "io_uring" {
			t.Run("substitute", func(t *testing.T) {
				f(t, start(t, aiort.Options{OpenBackend: openBare, Drive: aiort.DriveThread, Loops: 1}))
			})
		}
	}
}

// TestFlags: each flag of a read or write does what preadv2(2) and pwritev2(2) say, and what these
// refuse is refused.
func TestFlags(t *testing.T) {
	everyWay(t, func(t *testing.T, r *on) {
		fallbacks := r.rt.Info().Fallbacks
		fd, name := r.file("0123")
		content := func(want string) {
			t.Helper()
			if got, err := os.ReadFile(name); string(got) != want {
				t.Errorf("the file has %q, %v, want %q", got, err, want)
			}
		}
		r.ok(op.Write(fd, []byte("ab"), 0).With(op.Append))
		content("0123ab")
		r.ok(op.Writev(fd, [][]byte{[]byte("c"), []byte("d")}, 1).With(op.Append | op.DSync))
		content("0123abcd")
		r.ok(op.Write(fd, []byte("ef"), op.Stream).With(op.Append), op.Nop())
		content("0123abcdef")
		if pos, err := unix.Seek(fd, 0, unix.SEEK_CUR); pos != 10 || err != nil {
			t.Errorf("position %d, %v after an Append with Stream, want 10", pos, err)
		}
		// Flags are of the Op: With(0) takes them back, and From and SetFD leave them.
		w := op.Write(-1, []byte("X"), 0).With(op.Append).SetFD(fd)
		r.ok(w)
		content("0123abcdefX")
		r.ok(w.With(0))
		content("X123abcdefX")
		open := op.Open(op.CWD, name, unix.O_WRONLY, 0)
		r.ok(open.Link(), w.With(op.Append).From(open).LinkAlways(), op.Close(-1).From(open))
		content("X123abcdefXX")

		buf := make([]byte, 4)
		for _, flags := range []op.Flags{op.DSync, op.Sync, op.DSync | op.Sync, op.HiPri} {
			r.ok(op.Write(fd, []byte("y"), 1).With(flags), op.Writev(fd, [][]byte{[]byte("z")}, 2).With(flags))
			read, readv := op.Read(fd, buf, 0).With(flags), op.Readv(fd, [][]byte{make([]byte, 3)}, 0).With(flags)
			if r.ok(read, readv); read.N != 4 || readv.N != 3 || string(buf) != "Xyz3" {
				t.Errorf("%#x: read %d and %d bytes, %q", flags, read.N, readv.N, buf)
			}
		}
		if f := r.rt.Info().Fallbacks; fmt.Sprint(f) != fmt.Sprint(fallbacks) {
			t.Errorf("HiPri has operations without it fall back: %v", f)
		}
		for _, flags := range []op.Flags{op.NoAppend, op.DontCache} { // where the kernel has them
			_, err := unix.Preadv2(fd, [][]byte{buf}, 0, int(flags))
			if errors.Is(err, errors.ErrUnsupported) {
				t.Logf("flag %#x: not here: %v", flags, err)
				r.fails(errors.ErrUnsupported, op.Read(fd, buf, 0).With(flags))
				continue
			}
			r.ok(op.Read(fd, buf, 0).With(flags))
		}
		before, _ := os.ReadFile(name)
		for _, flags := range []op.Flags{1 << 20, 1 << 31, op.DSync | 1<<16} {
			for _, off := range []int64{0, op.Stream} {
				r.fails(unix.EOPNOTSUPP, op.Read(fd, buf, off).With(flags))
				r.fails(errors.ErrUnsupported, op.Write(fd, buf, off).With(flags))
				r.fails(errors.ErrUnsupported, op.Readv(fd, [][]byte{buf}, off).With(flags))
				r.fails(errors.ErrUnsupported, op.Writev(fd, [][]byte{buf}, off).With(flags))
			}
		}
		r.fails(unix.EINVAL, op.Write(fd, buf, 0).With(op.Append|op.NoAppend), unix.EOPNOTSUPP)
		if after, _ := os.ReadFile(name); !bytes.Equal(before, after) {
			t.Errorf("what was refused has left %q", after)
		}
	})
}

// TestFlagsOfFixed: ReadFixed and WriteFixed have flags too.
func TestFlagsOfFixed(t *testing.T) {
	everyWay(t, func(t *testing.T, r *on) {
		fd, name := r.file("0123")
		p := r.buffers(1, 4)
		b := r.get(p)
		defer r.release(b)
		copy(b.Bytes(), "abcd")
		r.ok(op.WriteFixed(fd, b, 0).With(op.Append))
		if got, err := os.ReadFile(name); string(got) != "0123abcd" {
			t.Errorf("the file has %q, %v", got, err)
		}
		r.fails(errors.ErrUnsupported, op.ReadFixed(fd, b, 0).With(1<<20))
		r.fails(errors.ErrUnsupported, op.WriteFixed(fd, b, 0).With(1<<20))
		read := op.ReadFixed(fd, b, 2).With(op.NoWait | op.HiPri)
		if r.ok(read); string(b.Bytes()) != "23ab" {
			t.Errorf("read %q", b.Bytes())
		}
	})
}

// TestFlagsOnStreams: flags mean the same on pipes and sockets, in both modes; what a socket does
// not know is refused, and not sent without it.
func TestFlagsOnStreams(t *testing.T) {
	everyWay(t, func(t *testing.T, r *on) {
		rd, wr := r.pipe()
		a, b := r.pair()
		for _, mode := range []bool{true, false} {
			for _, fd := range []int{rd, wr, a, b} {
				if err := unix.SetNonblock(fd, mode); err != nil {
					t.Fatal(err)
				}
			}
			for _, ends := range [][2]int{{rd, wr}, {a, b}} {
				from, to := ends[0], ends[1]
				buf := make([]byte, 8)
				r.fails(unix.EAGAIN, op.Read(from, buf, op.Stream).With(op.NoWait))
				r.fails(unix.EAGAIN, op.Readv(from, [][]byte{buf}, op.Stream).With(op.NoWait))
				after := op.Nop()
				if r.do(op.Read(from, buf, op.Stream).With(op.NoWait).Link(), after); after.Err != op.ErrSkipped {
					t.Errorf("behind EAGAIN: %v", after.Err)
				}
				r.fails(errors.ErrUnsupported, op.Write(to, []byte("lost"), op.Stream).With(op.Atomic))
				r.fails(errors.ErrUnsupported, op.Write(to, []byte("lost"), op.Stream).With(1<<20))
				r.fails(errors.ErrUnsupported, op.Read(from, buf, op.Stream).With(1<<20))
				r.ok(op.Write(to, []byte("kept"), op.Stream).With(op.DSync))
				read := op.Read(from, buf, op.Stream).With(op.NoWait)
				if r.ok(read); string(buf[:read.N]) != "kept" {
					t.Errorf("read %q", buf[:read.N])
				}
				fill := op.Write(to, make([]byte, 1<<16), op.Stream).With(op.NoWait)
				for fill.Err == nil {
					r.do(fill)
				}
				if fill.Err != unix.EAGAIN {
					t.Errorf("a write that finds no room: %v", fill.Err)
				}
				r.fails(unix.EAGAIN, op.Writev(to, [][]byte{buf}, op.Stream).With(op.NoWait))
				for read := op.Read(from, make([]byte, 1<<16), op.Stream).With(op.NoWait); read.Err == nil; {
					r.do(read)
				}
				// With other flags a read waits as ever.
				waits := op.Start(r.l, op.Read(from, buf, op.Stream).With(op.Sync))
				r.ok(op.Write(to, []byte("late"), op.Stream).With(op.NoWait))
				if err := waits.Wait(bg); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// TestNoWaitUncached: NoWait on what is not in the page cache is EAGAIN.
func TestNoWaitUncached(t *testing.T) {
	everyWay(t, func(t *testing.T, r *on) {
		buf := make([]byte, 4096)
		// Such a read has the kernel begin to fetch the data, so each needs a file of its own; and
		// a device may be so fast that the data is there after all.
		waits := func(read func(fd int) error) error {
			for range 200 {
				fd, _ := r.file(string(make([]byte, 1<<16)))
				r.ok(op.Fsync(fd).Link(), op.Fadvise(fd, 0, 0, unix.FADV_DONTNEED))
				if err := read(fd); err != nil {
					return err
				}
			}
			return nil
		}
		if err := waits(func(fd int) error {
			_, err := unix.Preadv2(fd, [][]byte{buf}, 0, unix.RWF_NOWAIT)
			return err
		}); err != unix.EAGAIN {
			t.Skipf("preadv2 has %v for what should not be in the page cache of this file system", err)
		}
		read := op.Read(-1, buf, 0).With(op.NoWait)
		readv := op.Readv(-1, [][]byte{buf}, op.Stream).With(op.NoWait)
		for _, o := range []*op.Op{read, readv} {
			waits(func(fd int) error { return r.do(o.SetFD(fd)) })
			if o.Err != syscall.EAGAIN || o.N != 0 {
				t.Errorf("%v: %d, %v, want EAGAIN", o, o.N, o.Err)
			}
		}
		skipped := op.Nop()
		waits(func(fd int) error { return r.do(read.SetFD(fd).Link(), skipped) })
		if read.Err != syscall.EAGAIN || skipped.Err != op.ErrSkipped {
			t.Errorf("in a chain: %v, %v", read.Err, skipped.Err)
		}
		if r.ok(read.ClearLink().With(0)); read.N != len(buf) {
			t.Errorf("without: %d bytes", read.N)
		}
		if r.ok(read.With(op.NoWait)); read.N != len(buf) {
			t.Errorf("in the cache: %d bytes", read.N)
		}
	})
}

// With is for reads and writes, and for what is not in flight.
func TestFlagsMisuse(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		rd, _ := r.pipe()
		pending := op.Read(rd, make([]byte, 1), op.Stream)
		b := op.Start(r.l, pending)
		for what, o := range map[string]*op.Op{"in flight": pending, "fsync": op.Fsync(rd),
			"recv": op.Recv(rd, nil, 0), "nop": op.Nop()} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("With of %s does not panic", what)
					}
				}()
				o.With(op.DSync)
			}()
		}
		b.Cancel()
		<-b.Done()
	})
}
