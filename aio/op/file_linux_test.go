package op_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
)

// Bytes of files, with and without offsets, in one buffer and in many.
func TestFileData(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		fd, name := r.file("0123456789")
		buf, a, b := make([]byte, 4), make([]byte, 3), make([]byte, 5)
		read := op.Read(fd, buf, 3)
		r.ok(read)
		if read.N != 4 || string(buf) != "3456" {
			t.Errorf("read %d, %q", read.N, buf)
		}
		r.ok(read.SetOffset(8))
		if read.N != 2 || string(buf[:2]) != "89" {
			t.Errorf("at the end: %d, %q", read.N, buf)
		}
		if r.ok(read.SetOffset(10)); read.N != 0 {
			t.Errorf("behind the end: %d", read.N)
		}
		readv := op.Readv(fd, [][]byte{a, nil, b}, 1)
		if r.ok(readv); readv.N != 8 || string(a)+string(b) != "12345678" {
			t.Errorf("readv %d, %q, %q", readv.N, a, b)
		}
		// One after the other at the position, which only a chain makes sure of.
		one, two := op.Read(fd, make([]byte, 2), op.Stream), make([]byte, 2)
		r.ok(one.Link(), op.Read(fd, two, op.Stream))
		if string(two) != "23" {
			t.Errorf("at the position: %q", two)
		}
		w, wv := op.Write(fd, []byte("ab"), 9), op.Writev(fd, [][]byte{[]byte("c"), []byte("de")}, 11)
		r.ok(w, wv)
		if got, _ := os.ReadFile(name); w.N != 2 || wv.N != 3 || string(got) != "012345678abcde" {
			t.Errorf("wrote %d and %d: %q", w.N, wv.N, got)
		}
		r.ok(op.Fsync(fd), op.Fdatasync(fd), op.SyncFileRange(fd, 0, 5, unix.SYNC_FILE_RANGE_WRITE))

		rd, wr := r.pipe()
		dir, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(dir)
		for _, tt := range []struct {
			o    *op.Op
			want error
		}{
			{op.Read(-1, buf, 0), unix.EBADF}, {op.Read(wr, buf, op.Stream), unix.EBADF},
			{op.Read(dir, buf, 0), unix.EISDIR},
			{op.Read(fd, buf, -2), unix.EINVAL}, {op.Readv(-1, [][]byte{buf}, 0), unix.EBADF},
			{op.Readv(dir, [][]byte{buf}, 0), unix.EISDIR},
			{op.Write(-1, buf, 0), unix.EBADF}, {op.Write(rd, buf, op.Stream), unix.EBADF},
			{op.Write(fd, buf, -2), unix.EINVAL},
			{op.Writev(-1, [][]byte{buf}, 0), unix.EBADF}, {op.Writev(rd, [][]byte{buf}, op.Stream), unix.EBADF},
			{op.Fsync(-1), unix.EBADF}, {op.Fsync(rd), unix.EINVAL}, {op.Fdatasync(-1), unix.EBADF},
			{op.Fdatasync(rd), unix.EINVAL},
			{op.SyncFileRange(-1, 0, 1, 0), unix.EBADF}, {op.SyncFileRange(rd, 0, 1, 0), unix.ESPIPE},
			{op.SyncFileRange(fd, -1, 1, 0), unix.EINVAL}, {op.SyncFileRange(fd, 0, 1, 1<<20), unix.EINVAL},
		} {
			r.fails(tt.want, tt.o)
		}
		full, err := unix.Open("/dev/full", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(full)
		r.fails(unix.ENOSPC, op.Write(full, buf, op.Stream))
		r.fails(unix.ENOSPC, op.Writev(full, [][]byte{buf}, op.Stream))
		torn := op.Pipe(0)
		r.ok(torn)
		rd, wr = torn.Ends()
		unix.Close(rd)
		r.fails(unix.EPIPE, op.Write(wr, buf, op.Stream))
		r.fails(unix.EPIPE, op.Writev(wr, [][]byte{buf}, op.Stream))
		unix.Close(wr)
	})
}

// The size of files and the room they have.
func TestFileSize(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		fd, name := r.file("0123456789")
		size := func() int64 {
			st, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			return st.Size()
		}
		if r.ok(op.Ftruncate(fd, 5)); size() != 5 {
			t.Errorf("%d bytes", size())
		}
		if r.ok(op.Ftruncate(fd, 5000)); size() != 5000 {
			t.Errorf("%d bytes", size())
		}
		if r.ok(op.Fallocate(fd, 0, 4000, 2000)); size() != 6000 {
			t.Errorf("%d bytes", size())
		}
		if r.ok(op.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, 10000)); size() != 6000 {
			t.Errorf("%d bytes", size())
		}
		r.ok(op.Fadvise(fd, 0, 0, unix.FADV_SEQUENTIAL), op.Fadvise(fd, 0, 5<<32, unix.FADV_DONTNEED))

		rd, _ := r.pipe()
		ro, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(ro)
		r.fails(unix.EBADF, op.Ftruncate(-1, 0))
		r.fails(unix.EINVAL, op.Ftruncate(fd, -1))
		r.fails(unix.EINVAL, op.Ftruncate(ro, 1))
		r.fails(unix.EBADF, op.Fallocate(-1, 0, 0, 1))
		r.fails(unix.EBADF, op.Fallocate(ro, 0, 0, 1))
		r.fails(unix.EINVAL, op.Fallocate(fd, 0, 0, 0))
		r.fails(unix.EINVAL, op.Fallocate(fd, 0, -1, 1))
		r.fails(unix.ESPIPE, op.Fallocate(rd, 0, 0, 1), unix.EBADF)
		r.fails(unix.EOPNOTSUPP, op.Fallocate(fd, 1<<20, 0, 1))
		r.fails(unix.EBADF, op.Fadvise(-1, 0, 1, 0))
		r.fails(unix.EINVAL, op.Fadvise(fd, 0, 1, 99))
		r.fails(unix.ESPIPE, op.Fadvise(rd, 0, 1, 0))
	})
}

// Names: made, linked, moved, looked at, removed.
func TestNames(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		dir := t.TempDir()
		d := op.Open(op.CWD, dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		r.ok(d)
		defer func() { r.ok(op.Close(d.N)) }()
		f := op.Open(d.N, "file", unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o640)
		r.ok(f)
		if flags, err := unix.FcntlInt(uintptr(f.N), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("not closed on exec: %#x, %v", flags, err)
		}
		var st, ofFD op.Stat
		r.ok(
			op.Write(f.N, []byte("content"), 0).Link(), op.Close(f.N).Link(),
			op.Statx(d.N, "file", 0, unix.STATX_BASIC_STATS, &st).Link(),
			op.Mkdir(d.N, "sub", 0o700).Link(), op.Hardlink(d.N, "file", d.N, "sub/second", 0).Link(),
			op.Symlink("to nowhere", d.N, "link").Link(), op.Rename(d.N, "file", d.N, "renamed",
				unix.RENAME_NOREPLACE).Link(),
			op.Statx(d.N, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &ofFD),
		)
		want, err := os.Stat(filepath.Join(dir, "renamed"))
		if err != nil {
			t.Fatal(err)
		}
		if st.Size != 7 || st.Mode&0o777 != 0o640 || st.Nlink != 1 || !st.Mtime.Time().Equal(want.ModTime()) ||
			st.Mode&unix.S_IFMT != unix.S_IFREG {
			t.Errorf("statx %+v", st)
		}
		if ofFD.Mode&unix.S_IFMT != unix.S_IFDIR {
			t.Errorf("statx of the directory %+v", ofFD)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "sub/second")); string(got) != "content" || err != nil {
			t.Errorf("the second name has %q, %v", got, err)
		}
		if got, err := os.Readlink(filepath.Join(dir, "link")); got != "to nowhere" || err != nil {
			t.Errorf("the symbolic link has %q, %v", got, err)
		}
		long := strings.Repeat("x", 300)
		for _, tt := range []struct {
			o    *op.Op
			want error
		}{
			{op.Open(d.N, "none", unix.O_RDONLY, 0), unix.ENOENT}, {op.Open(d.N, "renamed/x", unix.O_RDONLY, 0),
				unix.ENOTDIR},
			{op.Open(d.N, "sub", unix.O_RDWR, 0), unix.EISDIR}, {op.Open(d.N, "renamed", unix.O_CREAT|unix.O_EXCL, 0),
				unix.EEXIST},
			{op.Open(d.N, long, unix.O_RDONLY, 0), unix.ENAMETOOLONG}, {op.Open(-1, "renamed", unix.O_RDONLY, 0),
				unix.EBADF},
			{op.Open(d.N, "link", unix.O_RDONLY|unix.O_NOFOLLOW, 0), unix.ELOOP},
			{op.OpenIn(d.N, "/etc", unix.O_RDONLY, 0, unix.RESOLVE_BENEATH), unix.EXDEV},
			{op.OpenIn(d.N, "link", unix.O_RDONLY, 0, unix.RESOLVE_NO_SYMLINKS), unix.ELOOP},
			{op.OpenIn(d.N, "sub", unix.O_RDONLY, 0, 1<<40), unix.EINVAL},
			{op.Statx(d.N, "none", 0, unix.STATX_SIZE, &st), unix.ENOENT}, {op.Statx(d.N, "renamed", 1<<20, 0, &st),
				unix.EINVAL},
			{op.Statx(-1, "renamed", 0, 0, &st), unix.EBADF}, {op.Statx(d.N, "renamed/x", 0, 0, &st), unix.ENOTDIR},
			{op.Rename(d.N, "none", d.N, "x", 0), unix.ENOENT},
			{op.Rename(d.N, "renamed", d.N, "link", unix.RENAME_NOREPLACE), unix.EEXIST},
			{op.Rename(d.N, "renamed", d.N, "sub", 0), unix.EISDIR}, {op.Rename(d.N, "sub", d.N, "renamed", 0),
				unix.ENOTDIR},
			{op.Rename(d.N, "sub", d.N, "sub/inside", 0), unix.EINVAL}, {op.Rename(-1, "renamed", d.N, "x", 0),
				unix.EBADF},
			{op.Hardlink(d.N, "none", d.N, "x", 0), unix.ENOENT}, {op.Hardlink(d.N, "renamed", d.N, "link", 0),
				unix.EEXIST},
			{op.Hardlink(d.N, "sub", d.N, "x", 0), unix.EPERM},
			{op.Symlink("x", d.N, "link"), unix.EEXIST}, {op.Symlink("x", d.N, "none/x"), unix.ENOENT},
			{op.Symlink("x", d.N, "renamed/x"), unix.ENOTDIR},
			{op.Mkdir(d.N, "sub", 0o700), unix.EEXIST}, {op.Mkdir(d.N, "none/x", 0o700), unix.ENOENT},
			{op.Mkdir(d.N, "renamed/x", 0o700), unix.ENOTDIR},
			{op.Unlink(d.N, "none"), unix.ENOENT}, {op.Unlink(d.N, "sub"), unix.EISDIR},
			{op.Unlink(d.N, "renamed/x"), unix.ENOTDIR},
			{op.Rmdir(d.N, "sub"), unix.ENOTEMPTY}, {op.Rmdir(d.N, "renamed"), unix.ENOTDIR},
			{op.Rmdir(d.N, "none"), unix.ENOENT},
			{op.Close(-1), unix.EBADF}, {op.CloseSocket(-1), unix.EBADF},
		} {
			r.fails(tt.want, tt.o)
		}
		in := op.OpenIn(d.N, "sub/second", unix.O_RDONLY, 0, unix.RESOLVE_BENEATH)
		r.ok(in)
		r.ok(op.Close(in.N), op.Unlink(d.N, "sub/second").Link(), op.Rmdir(d.N, "sub"), op.Unlink(d.N, "link"),
			op.Unlink(d.N, "renamed"))
		if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}

// Extended attributes of files, open and by name.
func TestXattr(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		fd, name := r.file("x")
		set := op.Fsetxattr(fd, "user.weir", []byte("value"), unix.XATTR_CREATE)
		if err := r.do(set); errors.Is(err, unix.EOPNOTSUPP) {
			t.Skip("the file system has no attributes of users:", err)
		} else if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 10)
		for _, get := range []*op.Op{op.Fgetxattr(fd, "user.weir", buf), op.Getxattr(name, "user.weir", buf)} {
			clear(buf)
			if r.ok(get); get.N != 5 || string(buf[:5]) != "value" {
				t.Errorf("%d, %q", get.N, buf)
			}
		}
		size := op.Getxattr(name, "user.weir", nil)
		if r.ok(op.Setxattr(name, "user.weir", []byte("longer value"), unix.XATTR_REPLACE).Link(), size); size.N != 12 {
			t.Errorf("%d bytes", size.N)
		}
		r.fails(unix.ERANGE, op.Fgetxattr(fd, "user.weir", buf))
		r.fails(unix.ENODATA, op.Fgetxattr(fd, "user.none", buf))
		r.fails(unix.ENOENT, op.Getxattr(name+".none", "user.weir", buf))
		r.fails(unix.EEXIST, op.Fsetxattr(fd, "user.weir", nil, unix.XATTR_CREATE))
		r.fails(unix.ENODATA, op.Setxattr(name, "user.none", nil, unix.XATTR_REPLACE))
		r.fails(unix.ENOENT, op.Setxattr(name+".none", "user.weir", nil, 0))
		r.fails(unix.EOPNOTSUPP, op.Setxattr(name, "weir", nil, 0))
		r.fails(unix.EBADF, op.Fgetxattr(-1, "user.weir", buf))
		r.fails(unix.EBADF, op.Fsetxattr(-1, "user.weir", buf, 0))
	})
}

// A process without descriptors to spare gets EMFILE, and the operation leaves nothing behind.
func TestNoDescriptors(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		var old unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
		l, conn := r.listen()
		defer unix.Close(conn)
		low := old
		low.Cur = 0
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
			t.Skip(err)
		}
		ops := []*op.Op{
			op.Open(op.CWD, "/", unix.O_RDONLY, 0), op.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0), op.Pipe(0),
			op.Accept(l, 0),
		}
		var got []string
		for _, o := range ops {
			r.do(o)
			got = append(got, results(o))
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != "[EMFILE EMFILE EMFILE EMFILE]" {
			t.Error(got)
		}
		if r.ok(ops[3]); ops[3].N < 0 {
			t.Error("the connection was lost:", ops[3].N)
		}
		unix.Close(ops[3].N)
	})
}
