package backendtest

import (
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// dir is an empty directory for names.
func (r *rig) dir() int {
	r.t.Helper()
	e, ok := r.env.(dirEnv)
	if !ok {
		r.t.Skip("the environment has no directories")
	}
	fd := e.Dir(r.t)
	if fd >= 0 {
		r.fds[fd] = true
	}
	return fd
}

func (r *rig) open(dir int, name string, flags uint32) *op {
	return r.args(backends.Op{Code: backends.OpOpen, FD: dir, Flags: flags}, backends.Args{Path: pathOf(name),
		Mode: 0o600})
}

func (r *rig) mkdir(dir int, name string) *op {
	return r.args(backends.Op{Code: backends.OpMkdir, FD: dir}, backends.Args{Path: pathOf(name), Mode: 0o700})
}

func (r *rig) unlink(dir int, name string, flags uint32) *op {
	return r.args(backends.Op{Code: backends.OpUnlink, FD: dir, Flags: flags}, backends.Args{Path: pathOf(name)})
}

// two makes an operation on two names of a directory.
func (r *rig) two(code backends.Code, dir int, from, to string, flags uint32) *op {
	return r.args(backends.Op{Code: code, FD: dir, Flags: flags}, backends.Args{Path: pathOf(from), FD: dir,
		Path2: pathOf(to)})
}

// size is how long the file of that name is by OpStatx, or -errno.
func (r *rig) size(dir int, name string) int64 {
	r.t.Helper()
	st := new(backends.Statx)
	o := r.args(backends.Op{Code: backends.OpStatx, FD: dir}, backends.Args{Path: pathOf(name), Mode: statxBasic,
		Stat: st})
	if r.tries(o, 0, fail(syscall.ENOENT)); o.res < 0 {
		return int64(o.res)
	}
	return int64(st.Size)
}

const noEntry = -int64(syscall.ENOENT)

// testOpen catches flags of opens that are lost, and descriptors that are, when an open is
// cancelled.
func testOpen(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	dir := r.dir()
	const create = oRdwr | oCreat | oExcl | oCloexec
	fd := r.makes(r.open(dir, "file", create))
	if e, ok := env.(flagsEnv); ok {
		if cloexec, nonblock := e.FDFlags(t, fd); !cloexec || nonblock {
			t.Errorf("close-on-exec %v, non-blocking %v", cloexec, nonblock)
		}
	}
	r.writeAll(fd, seq(0, 100))
	r.want(r.open(dir, "file", create), fail(syscall.EEXIST))
	r.want(r.open(dir, "none", oRdwr), fail(syscall.ENOENT))
	r.want(r.open(dir, "", oRdwr), fail(syscall.ENOENT))
	again := r.makes(r.open(dir, "file", oRdwr|oCloexec))
	checkSeq(t, "the file opened again", r.readFull(again, 100), 0)
	r.makes(r.open(dir, "file", oRdwr|oTrunc|oCloexec))
	if all := r.content(again); len(all) != 0 {
		t.Errorf("%d bytes are left by O_TRUNC", len(all))
	}
	r.tries(r.mkdir(dir, "sub"), 0)
	r.want(r.open(dir, "sub", oRdwr), fail(syscall.EISDIR))

	var ops []*op
	for range 50 {
		o := r.open(dir, "file", oRdwr|oCloexec)
		r.submit(o)
		r.cancel(o.id())
		ops = append(ops, o)
	}
	r.wait(ops...)
	for _, o := range ops {
		if o.res >= 0 {
			r.closeFD(r.own(o.res))
		} else {
			r.expect(o, canceled)
		}
	}
}

// testOpenWaits catches opens that do not wait for the other end of a FIFO, and those that are
// cancelled and leave a descriptor behind. Some backends cannot end one that waits: it is over when
// the other end is there.
func testOpenWaits(t *testing.T, env Env) {
	e, ok := env.(fifoEnv)
	if !ok {
		t.Skip("the environment has no FIFOs")
	}
	r := newRig(t, env, 0, 0)
	dir := r.dir()
	r.makes(r.open(dir, "file", oCreat|oCloexec))
	for _, cancel := range []bool{false, true} {
		name := map[bool]string{false: "one", true: "two"}[cancel]
		both := e.Fifo(t, dir, name)
		o := r.open(dir, name, oCloexec)
		r.submit(o)
		r.quiet(5 * time.Millisecond)
		if o.done {
			t.Fatalf("%v of a FIFO: %s, though it has no other end", o, result(o.res))
		}
		if cancel {
			r.cancel(o.id())
			r.quiet(5 * time.Millisecond)
		}
		fd := both()
		r.fds[fd] = true
		if r.wait(o); o.res >= 0 {
			r.own(o.res)
		} else if !cancel || o.res != canceled && o.res != fail(syscall.EINTR) {
			t.Errorf("%v of a FIFO, cancelled %v: %s", o, cancel, result(o.res))
		}
	}
}

// testStat catches a description of another file, or none.
func testStat(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	dir := r.dir()
	if n := r.size(dir, "file"); n != noEntry {
		t.Errorf("the size of no file is %d", n)
	}
	fd := r.makes(r.open(dir, "file", oRdwr|oCreat|oCloexec))
	r.tries(r.mkdir(dir, "sub"), 0)
	for _, n := range []int{0, 1, 1000} {
		r.writeAll(fd, seq(0, n))
	}
	if n := r.size(dir, "file"); n != 1001 {
		t.Errorf("the size of a file of 1001 bytes is %d", n)
	}
	for name, kind := range map[string]uint16{"file": 0o100000, "sub": 0o040000} {
		st := new(backends.Statx)
		r.want(r.args(backends.Op{Code: backends.OpStatx, FD: dir}, backends.Args{Path: pathOf(name), Mode: statxBasic,
			Stat: st}), 0)
		if st.Mode&0o170000 != kind || st.Mask == 0 {
			t.Errorf("%s has mode %#o, mask %#x", name, st.Mode, st.Mask)
		}
	}
}

// testNames catches operations on names that take the wrong one, or ignore their flags.
func testNames(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	dir := r.dir()
	link := func(to string) *op {
		return r.args(backends.Op{Code: backends.OpSymlink, FD: dir}, backends.Args{Path: pathOf("second"),
			Path2: pathOf(to)})
	}
	for _, o := range []*op{
		r.two(backends.OpRename, dir, "", "", 0), r.two(backends.OpLink, dir, "", "", 0), r.mkdir(dir, ""),
		r.unlink(dir, "", 0), link(""),
	} {
		r.want(o, fail(syscall.ENOENT), fail(syscall.ENOSYS))
	}
	fd := r.makes(r.open(dir, "file", oRdwr|oCreat|oCloexec))
	r.writeAll(fd, seq(0, 10))
	there := func(name string, size int64) {
		t.Helper()
		if n := r.size(dir, name); n != size {
			t.Errorf("%s: %d, want %d", name, n, size)
		}
	}
	r.tries(r.two(backends.OpRename, dir, "file", "renamed", 0), 0)
	there("file", noEntry)
	there("renamed", 10)
	r.tries(r.two(backends.OpLink, dir, "renamed", "second", 0), 0)
	there("second", 10)
	r.want(r.two(backends.OpLink, dir, "renamed", "second", 0), fail(syscall.EEXIST))
	r.want(r.two(backends.OpLink, dir, "none", "third", 0), fail(syscall.ENOENT))
	r.makes(r.open(dir, "other", oRdwr|oCreat|oCloexec))
	r.want(r.two(backends.OpRename, dir, "renamed", "other", renameNoReplace), fail(syscall.EEXIST))
	r.want(r.two(backends.OpRename, dir, "none", "other", 0), fail(syscall.ENOENT))
	there("other", 0)
	r.want(r.two(backends.OpRename, dir, "renamed", "other", 0), 0)
	there("other", 10)

	r.tries(r.mkdir(dir, "sub"), 0)
	r.want(r.mkdir(dir, "sub"), fail(syscall.EEXIST))
	r.want(r.two(backends.OpRename, dir, "other", "sub", 0), fail(syscall.EISDIR))
	r.want(r.two(backends.OpRename, dir, "sub", "other", 0), fail(syscall.ENOTDIR))
	r.want(r.two(backends.OpLink, dir, "sub", "third", 0), fail(syscall.EPERM))
	r.want(r.unlink(dir, "sub", 0), fail(syscall.EISDIR))
	r.want(r.unlink(dir, "other", atRemoveDir), fail(syscall.ENOTDIR))
	r.want(r.unlink(dir, "none", 0), fail(syscall.ENOENT))
	r.want(r.unlink(dir, "sub", atRemoveDir), 0)
	r.want(r.unlink(dir, "other", 0), 0)
	there("sub", noEntry)
	there("other", noEntry)
	there("second", 10)

	r.tries(link("link"), 0)
	there("link", 10)
	r.want(link("link"), fail(syscall.EEXIST))
	r.want(link("none/link"), fail(syscall.ENOENT))
	r.want(r.args(backends.Op{Code: backends.OpMkdir, FD: -1}, backends.Args{Path: pathOf("x")}), fail(syscall.EBADF))
	r.want(r.open(-1, "second", oRdwr), fail(syscall.EBADF))
}
