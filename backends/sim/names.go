package sim

import (
	"syscall"

	"github.com/weirgo/weir/backends"
)

// The simulated kernel has one directory, flat and empty at first. Names in it are compared as they
// are given; the descriptors of directories do not matter.

// Flags of OpOpen: Linux's values, on machines where those are the common ones.
const (
	OpenCreate    = 0x40
	OpenExclusive = 0x80
	OpenTruncate  = 0x200

	UnlinkDir = 0x200 // of OpUnlink

	RenameNoReplace = 0x1 // of OpRename
)

const (
	familyUnix = 1
	pipeFlags  = 0x80000 | 0x800 | 0x4000 // O_CLOEXEC, O_NONBLOCK, O_DIRECT
)

const modeRegular, modeDir = 0o100000, 0o040000

// named reports whether an operation works on names, or makes what it works on, so that FD is no
// descriptor in use.
func named(code backends.Code) bool {
	switch code {
	case backends.OpSocket, backends.OpOpen, backends.OpStatx, backends.OpRename, backends.OpUnlink, backends.OpMkdir,
		backends.OpSymlink, backends.OpLink, backends.OpPipe, backends.OpWaitid, backends.OpFutexWait,
		backends.OpFutexWake:
		return true
	}
	return false
}

// performName does an operation that named picks. None of them waits.
func (s *Sim) performName(r *req) int32 {
	op, a := &r.op, r.op.Args
	switch op.Code {
	case backends.OpSocket:
		if op.FD != familyUnix && op.FD != familyInet {
			return fail(syscall.EAFNOSUPPORT)
		}
		return s.result(&file{kind: socket})
	case backends.OpPipe:
		if op.Flags&^pipeFlags != 0 {
			return fail(syscall.EINVAL)
		}
		return s.pipe2(a)
	case backends.OpOpen:
		return s.openName(a.Path.String(), op.Flags)
	case backends.OpStatx:
		return -int32(s.stat(a.Path.String(), a.Stat))
	case backends.OpRename:
		return -int32(s.rename(a.Path.String(), a.Path2.String(), op.Flags))
	case backends.OpLink:
		return -int32(s.link(a.Path.String(), a.Path2.String()))
	case backends.OpUnlink:
		return -int32(s.unlink(a.Path.String(), op.Flags&UnlinkDir != 0))
	case backends.OpMkdir:
		return -int32(s.enter(a.Path.String(), &file{kind: directory}))
	}
	return fail(syscall.ENOSYS)
}

func (s *Sim) result(f *file) int32 {
	fd, errno := s.install(f)
	if errno != 0 {
		return fail(errno)
	}
	return int32(fd)
}

func (s *Sim) pipe2(a *backends.Args) int32 {
	r, w := &file{kind: pipe}, &file{kind: pipe}
	r.in = s.newStream(r, w)
	w.out = r.in
	rfd, errno := s.install(r)
	if errno == 0 {
		var wfd int
		if wfd, errno = s.install(w); errno == 0 {
			a.Pipe = [2]int32{int32(rfd), int32(wfd)}
			return 0
		}
		s.closeFD(rfd)
	}
	return fail(errno)
}

func (s *Sim) openName(name string, flags uint32) int32 {
	f := s.names[name]
	switch {
	case name == "":
		return fail(syscall.ENOENT)
	case f == nil && flags&OpenCreate == 0:
		return fail(syscall.ENOENT)
	case f != nil && flags&(OpenCreate|OpenExclusive) == OpenCreate|OpenExclusive:
		return fail(syscall.EEXIST)
	case f != nil && f.kind == directory:
		return fail(syscall.EISDIR)
	}
	// Each open file has a position of its own; the content is the name's.
	o := &file{kind: regular, body: new(body)}
	if f != nil {
		o.body = f.body
	}
	res := s.result(o)
	if res < 0 {
		return res
	}
	if f == nil {
		s.names[name] = &file{kind: regular, body: o.body}
	}
	if flags&OpenTruncate != 0 {
		o.data = nil
	}
	return res
}

// enter gives f a name.
func (s *Sim) enter(name string, f *file) syscall.Errno {
	switch {
	case name == "":
		return syscall.ENOENT
	case s.names[name] != nil:
		return syscall.EEXIST
	}
	s.names[name] = f
	return 0
}

func (s *Sim) stat(name string, st *backends.Statx) syscall.Errno {
	f := s.names[name]
	if f == nil {
		return syscall.ENOENT
	}
	*st = backends.Statx{Mask: 0x203, Mode: modeDir}
	if f.kind == regular {
		st.Mode, st.Size = modeRegular, uint64(len(f.data))
	}
	return 0
}

func (s *Sim) rename(from, to string, flags uint32) syscall.Errno {
	f, old := s.names[from], s.names[to]
	switch {
	case f == nil || to == "":
		return syscall.ENOENT
	case old != nil && flags&RenameNoReplace != 0:
		return syscall.EEXIST
	case old == f:
		return 0
	case old != nil && old.kind == directory && f.kind != directory:
		return syscall.EISDIR
	case old != nil && old.kind != directory && f.kind == directory:
		return syscall.ENOTDIR
	}
	delete(s.names, from)
	s.names[to] = f
	return 0
}

func (s *Sim) link(from, to string) syscall.Errno {
	f := s.names[from]
	switch {
	case f == nil:
		return syscall.ENOENT
	case s.names[to] != nil:
		return syscall.EEXIST
	case f.kind == directory:
		return syscall.EPERM
	}
	return s.enter(to, &file{kind: regular, body: f.body})
}

func (s *Sim) unlink(name string, dir bool) syscall.Errno {
	f := s.names[name]
	switch {
	case f == nil:
		return syscall.ENOENT
	case dir && f.kind != directory:
		return syscall.ENOTDIR
	case !dir && f.kind == directory:
		return syscall.EISDIR
	}
	delete(s.names, name)
	return 0
}

// resize does OpFtruncate and OpFallocate.
func (s *Sim) resize(r *req, f *file) int32 {
	size := r.op.Off
	grow := r.op.Code == backends.OpFallocate
	if grow {
		size += r.op.Args.Len
	}
	switch {
	case f.kind != regular && grow:
		return fail(syscall.ENODEV)
	case f.kind != regular, r.op.Off < 0, grow && r.op.Args.Len <= 0:
		return fail(syscall.EINVAL)
	case grow && r.op.Flags != 0:
		return fail(syscall.EOPNOTSUPP)
	case size < 0 || size > int64(s.cfg.FileSize):
		return fail(syscall.EFBIG)
	case size > int64(len(f.data)):
		f.data = append(f.data, make([]byte, size-int64(len(f.data)))...)
	case !grow:
		f.data = f.data[:size:size]
	}
	return 0
}
