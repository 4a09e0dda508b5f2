package uring

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// knownFile registers fd.
func (r *rig) knownFile(index, fd int) *backends.File {
	r.t.Helper()
	f := &backends.File{Index: index, FD: fd}
	if err := r.RegisterFile(f); err != nil {
		r.t.Fatal(err)
	}
	return f
}

func onFile(f *backends.File, op backends.Op) backends.Op {
	op.FD = f.FD
	op.Args = &backends.Args{File: f}
	return op
}

// TestFileEncoding: an entry names a place of the table only if the ring knows the file there, for
// those operations that can be on one, and is the same otherwise.
func TestFileEncoding(t *testing.T) {
	r := newRig(t, Config{})
	rd, _ := pipe(t)
	before := r.Counters().Syscalls
	one, two := r.knownFile(3, rd), r.knownFile(0, rd)
	if err := r.RegisterFile(one); err != nil { // again
		t.Error(err)
	}
	if n := r.Counters().Syscalls - before; n != 3 {
		t.Errorf("two files took %d system calls, want 3", n)
	}
	m := newMaterial()
	encode := func(f *backends.File, op backends.Op) (e sys.SQE) {
		args := *m.args
		args.File = f
		op.Args = &args
		r.encode(&e, &backends.Completion{Op: op, ID: testID})
		return e
	}
	fixed := 0
	for code := range backends.Code(backends.NumCodes) {
		if code.OfLoop() {
			continue
		}
		for _, path := range []backends.Path{m.args.Path, nil} {
			m.args.Path = path
			op := backends.Op{Code: code, FD: rd, Buf: m.buf, Bufs: m.bufs, Addr: m.addr, Msg: m.msg, Off: 5,
				Args: m.args}
			check := func(what string, f *backends.File, op backends.Op, fixed bool) {
				t.Helper()
				want := encode(nil, op)
				if fixed {
					want.Fd = int32(f.Index)
					want.Flags |= 1 // IOSQE_FIXED_FILE
				}
				e := encode(f, op)
				if own := e.Off; code == backends.OpStatx || code == backends.OpPipe || code == backends.OpWaitid {
					want.Off, want.Addr = own, e.Addr // within Args, of which there are two
				}
				if e != want {
					t.Errorf("%v on %s:\n%+v, want\n%+v", code, what, e, want)
				}
			}
			takes := op.TakesFile()
			if takes {
				fixed++
			}
			check("a file", one, op, takes)
			check("another", two, op, takes)
			check("one of another ring", &backends.File{Index: 3, FD: rd}, op, false)
			check("one beyond the table", &backends.File{Index: backends.MaxFiles, FD: rd}, op, false)
			plain := op
			plain.Plain = true
			check("one, but plain", one, plain, false)
		}
	}
	if fixed < 40 {
		t.Errorf("only %d operations can be on a file", fixed)
	}
	r.UnregisterFile(one)
	r.UnregisterFile(one)
	r.UnregisterFile(&backends.File{Index: 0, FD: rd})
	r.UnregisterFile(&backends.File{Index: backends.MaxFiles, FD: rd})
	read := backends.Op{Code: backends.OpRead, FD: rd, Buf: m.buf}
	if e := encode(one, read); e.Flags != 0 || e.Fd != int32(rd) {
		t.Errorf("unregistered: %+v", e)
	}
	if e := encode(two, read); e.Flags != 1 || e.Fd != 0 {
		t.Errorf("still there: %+v", e)
	}
	for _, index := range []int{-1, backends.MaxFiles} {
		if err := r.RegisterFile(&backends.File{Index: index, FD: rd}); !errors.Is(err, unix.EMFILE) {
			t.Errorf("registered at %d: %v", index, err)
		}
	}
}

// TestFileOutlives: the kernel has what was registered, not what has the descriptor's number by
// then, until it was unregistered; then it lets go, and the place is another's.
func TestFileOutlives(t *testing.T) {
	r := newRig(t, Config{})
	do := func(f *backends.File, want int32) {
		t.Helper()
		op := onFile(f, backends.Op{Code: backends.OpWrite, Off: backends.Stream, Buf: []byte("text")})
		r.want(want, r.submitted(r.op(op))...)
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	f := r.knownFile(backends.MaxFiles-1, p[1])
	unix.Close(p[1])
	do(f, 4)
	buf := make([]byte, 10)
	if n, err := unix.Read(p[0], buf); n != 4 || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	if _, err := unix.Read(p[0], buf); err != unix.EAGAIN {
		t.Errorf("the registered end is closed: %v", err)
	}

	// The backend's belief is the kernel's: if it thinks that a file is registered which is not,
	// the kernel refuses.
	r.UnregisterFile(f)
	r.files[f.Index] = f
	do(f, -int32(unix.EBADF))
	r.files[f.Index] = nil
	hup := []unix.PollFd{{Fd: int32(p[0])}} // it may take the kernel a moment
	if n, err := unix.Poll(hup, int(patience.Milliseconds())); n != 1 || err != nil {
		t.Errorf("the end that was unregistered is open: %d, %v", n, err)
	}
	_, wr := pipe(t)
	do(r.knownFile(f.Index, wr), 4)
}

// TestFileRefused: what the kernel does not take is no harm to the table, nor is a table that it
// does not make.
func TestFileRefused(t *testing.T) {
	r := newRig(t, Config{})
	if err := sys.SetFile(r.ring.FD(), 0, 0); err == nil {
		t.Error("a file without a table")
	}
	rd, _ := pipe(t)
	path, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(path)
	for name, fd := range map[string]int{"none": 1 << 20, "a ring": r.ring.FD(), "O_PATH": path} {
		f := &backends.File{Index: 1, FD: fd}
		if err := r.RegisterFile(f); !errors.Is(err, unix.EBADF) {
			t.Errorf("%s: %v", name, err)
		}
		if r.files[1] != nil {
			t.Errorf("%s is believed to be registered", name)
		}
	}
	r.knownFile(1, rd)
}

// TestFileTableLimit: where RLIMIT_NOFILE is low the table is smaller.
func TestFileTableLimit(t *testing.T) {
	r := newRig(t, Config{})
	rd, _ := pipe(t)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 100, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	f := &backends.File{Index: 99, FD: rd}
	err := r.RegisterFile(f)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Errorf("with RLIMIT_NOFILE 100: %v", err)
	}
	if err := r.RegisterFile(&backends.File{Index: 100, FD: rd}); !errors.Is(err, unix.EMFILE) {
		t.Errorf("place 100: %v", err)
	}
	r.UnregisterFile(&backends.File{Index: 100, FD: rd})
	op := onFile(&backends.File{Index: 100, FD: rd}, backends.Op{Code: backends.OpPoll, Flags: unix.POLLIN})
	c := r.op(op)
	r.submit(c)
	r.flush()
	if !r.Cancel(c.ID) {
		t.Fatal("Cancel")
	}
	r.want(-int32(unix.ECANCELED), c)
}

// TestFileDenied: a ring that refuses to register files has no table, and one that refuses entries
// on them says so for each.
func TestFileDenied(t *testing.T) {
	for _, tables := range []bool{true, false} {
		r := newRig(t, Config{DenyTables: tables, DenyFlags: sys.SQEFixedFile})
		_, wr := pipe(t)
		f := &backends.File{Index: 1, FD: wr}
		if err := r.RegisterFile(f); errors.Is(err, unix.EACCES) != tables {
			t.Errorf("DenyTables %v: %v", tables, err)
		}
		want := int32(1)
		if !tables {
			want = -int32(unix.EACCES)
		}
		op := onFile(f, backends.Op{Code: backends.OpWrite, Off: backends.Stream, Buf: []byte("x")})
		r.want(want, r.submitted(r.op(op))...)
		op.Plain = true
		r.want(1, r.submitted(r.op(op))...)
	}
}
