package aio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/weirgo/weir/aio"
)

// anyFile has the methods of *os.File.
type anyFile interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.WriterAt
	io.StringWriter
	io.ReaderFrom
	io.WriterTo
	fs.ReadDirFile
	syscall.Conn
	Chdir() error
	Chmod(os.FileMode) error
	Chown(uid, gid int) error
	Fd() uintptr
	Name() string
	Readdir(int) ([]os.FileInfo, error)
	Readdirnames(int) ([]string, error)
	SetDeadline(time.Time) error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	Sync() error
	Truncate(int64) error
}

var (
	_ anyFile = (*os.File)(nil)
	_ anyFile = (*aio.File)(nil)
)

func anyOf[F anyFile](f F, err error) (anyFile, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// calls are the functions of package os on names: its own, those of an IO, or those of package aio.
type calls struct {
	Open       func(string) (anyFile, error)
	CreateTemp func(dir, pattern string) (anyFile, error)
	Pipe       func() (r, w anyFile, err error)
	ReadFile   func(string) ([]byte, error)
	WriteFile  func(string, []byte, os.FileMode) error
	Stat       func(string) (os.FileInfo, error)
	Lstat      func(string) (os.FileInfo, error)
	ReadDir    func(string) ([]os.DirEntry, error)
	Mkdir      func(string, os.FileMode) error
	MkdirAll   func(string, os.FileMode) error
	MkdirTemp  func(dir, pattern string) (string, error)
	Remove     func(string) error
	RemoveAll  func(string) error
	Rename     func(old, new string) error
	Link       func(old, new string) error
	Symlink    func(old, new string) error
	Readlink   func(string) (string, error)
	Truncate   func(string, int64) error
	Chmod      func(string, os.FileMode) error
	Chown      func(string, int, int) error
	Chtimes    func(string, time.Time, time.Time) error
	DirFS      func(string) fs.FS
}

func osCalls() calls {
	return calls{
		func(name string) (anyFile, error) { return anyOf(os.Open(name)) },
		func(dir, pattern string) (anyFile, error) { return anyOf(os.CreateTemp(dir, pattern)) },
		func() (r, w anyFile, err error) { return os.Pipe() },
		os.ReadFile, os.WriteFile, os.Stat, os.Lstat, os.ReadDir, os.Mkdir, os.MkdirAll, os.MkdirTemp, os.Remove,
		os.RemoveAll,
		os.Rename, os.Link, os.Symlink, os.Readlink, os.Truncate, os.Chmod, os.Chown, os.Chtimes, os.DirFS,
	}
}

func ioCalls(x *aio.IO) calls {
	return calls{
		func(name string) (anyFile, error) { return anyOf(x.Open(name)) },
		func(dir, pattern string) (anyFile, error) { return anyOf(x.CreateTemp(dir, pattern)) },
		func() (r, w anyFile, err error) { return x.Pipe() },
		x.ReadFile, x.WriteFile, x.Stat, x.Lstat, x.ReadDir, x.Mkdir, x.MkdirAll, x.MkdirTemp, x.Remove, x.RemoveAll,
		x.Rename, x.Link, x.Symlink, x.Readlink, x.Truncate, x.Chmod, x.Chown, x.Chtimes, x.DirFS,
	}
}

func aioCalls() calls {
	return calls{
		func(name string) (anyFile, error) { return anyOf(aio.Open(name)) },
		func(dir, pattern string) (anyFile, error) { return anyOf(aio.CreateTemp(dir, pattern)) },
		func() (r, w anyFile, err error) { return aio.Pipe() },
		aio.ReadFile, aio.WriteFile, aio.Stat, aio.Lstat, aio.ReadDir, aio.Mkdir, aio.MkdirAll, aio.MkdirTemp,
		aio.Remove, aio.RemoveAll,
		aio.Rename, aio.Link, aio.Symlink, aio.Readlink, aio.Truncate, aio.Chmod, aio.Chown, aio.Chtimes, aio.DirFS,
	}
}

// exactly describes an error with its types, operations and names.
func exactly(err error) string {
	switch e := err.(type) {
	case nil:
		return "nil"
	case *fs.PathError:
		return fmt.Sprintf("PathError{%s, %s, %s}", e.Op, e.Path, exactly(e.Err))
	case *os.LinkError:
		return fmt.Sprintf("LinkError{%s, %s, %s, %s}", e.Op, e.Old, e.New, exactly(e.Err))
	case *os.SyscallError:
		return fmt.Sprintf("SyscallError{%s, %s}", e.Syscall, exactly(e.Err))
	}
	return fmt.Sprintf("%T(%v)", err, err)
}

// shape is what is known of a file whose times have not been set.
func shape(info os.FileInfo, err error) string {
	if err != nil {
		return exactly(err)
	}
	size := info.Size()
	if info.IsDir() {
		size = 0 // the file system's business
	}
	return fmt.Sprintf("%s %v %d", info.Name(), info.Mode(), size)
}

func shapes[E interface{ Name() string }](list []E, describe func(E) string) string {
	s := fmt.Sprint(len(list), " ", list == nil)
	for _, e := range list {
		s += " [" + describe(e) + "]"
	}
	return s
}

func entry(e os.DirEntry) string { return fmt.Sprint(e, " ", shape(e.Info())) }

var longAgo = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// plant makes files of all kinds in dir. What the system cannot make is missing.
func plant(dir string) {
	os.MkdirAll(filepath.Join(dir, "full", "sub"), 0o755)
	os.Mkdir(filepath.Join(dir, "empty"), 0o700)
	for name, n := range map[string]int{"file": 1000, "full/b": 3, "full/a": 0, "full/sub/c": 1} {
		os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte("x"), n), 0o640)
		os.Chtimes(filepath.Join(dir, name), longAgo, longAgo)
	}
	for name, to := range map[string]string{"good": "file", "todir": "full", "dangling": "none", "loop": "loop"} {
		os.Symlink(to, filepath.Join(dir, name))
	}
}

// census describes all that is in dir.
func census(dir string) string {
	var b strings.Builder
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		fmt.Fprint(&b, name, " ", err)
		if err != nil || d == nil {
			return nil
		}
		info, err := d.Info()
		fmt.Fprint(&b, " ", shape(info, err))
		if err == nil && info.ModTime().Before(longAgo.Add(time.Hour)) {
			fmt.Fprint(&b, " ", info.ModTime().UTC())
		}
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			fmt.Fprint(&b, " -> ", to, err)
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			fmt.Fprintf(&b, " %d bytes, %.10q %v", len(data), data, err)
		}
		b.WriteByte('\n')
		return nil
	})
	return b.String()
}

// nasty are names below a directory that plant has filled, and names that no directory has.
var nasty = []string{
	"file", "missing", "empty", "full", "good", "todir", "dangling", "loop", // as plant made them
	"file/", "empty/", "missing/", "good/", "todir/", "dangling/", "file/x", "missing/x/y", "full/new", "loop/x",
	"todir/a",
	".", "full/.", "full/..", "empty//../file", "a\x00b", strings.Repeat("n", 300), strings.Repeat("d/", 3000) + "x",
}

// few are those that tell two names of a call apart.
var few = []string{"file", "missing", "empty", "full", "full/new", "dangling", "file/", "file/x", "loop/x", "good",
	"a\x00b"}

// script is one thing to be done on a fresh tree: what it returns, and what it makes of the tree,
// is compared.
type script struct {
	name string
	run  func(c calls, dir string) string
}

func pathScripts() []script {
	var all []script
	add := func(name string, run func(c calls, dir string) string) { all = append(all, script{name, run}) }
	for _, name := range append(nasty, "") {
		at := func(dir string) string {
			if name == "" {
				return ""
			}
			return dir + "/" + name
		}
		one := func(op string, run func(c calls, path string) string) {
			add(fmt.Sprintf("%s %.40q", op, name), func(c calls, dir string) string { return run(c, at(dir)) })
		}
		one("ReadFile", func(c calls, p string) string {
			b, err := c.ReadFile(p)
			return fmt.Sprintf("%d bytes, %.10q %v %s", len(b), b, b == nil, exactly(err))
		})
		one("WriteFile", func(c calls, p string) string { return exactly(c.WriteFile(p, []byte("new"), 0o4767)) })
		one("Stat", func(c calls, p string) string { return shape(c.Stat(p)) })
		one("Lstat", func(c calls, p string) string { return shape(c.Lstat(p)) })
		one("ReadDir", func(c calls, p string) string {
			list, err := c.ReadDir(p)
			return shapes(list, entry) + exactly(err)
		})
		one("Mkdir", func(c calls, p string) string { return exactly(c.Mkdir(p, 0o1757)) })
		one("MkdirAll", func(c calls, p string) string { return exactly(c.MkdirAll(p, 0o750)) })
		one("MkdirTemp", func(c calls, p string) string {
			made, err := c.MkdirTemp(p, "x")
			return fmt.Sprint(strings.HasPrefix(made, p+"/x"), exactly(withoutDigits(err, os.Remove(made))))
		})
		if name != "" {
			one("CreateTemp", func(c calls, p string) string {
				f, err := c.CreateTemp(p, "*x")
				if err != nil {
					return exactly(withoutDigits(err, nil))
				}
				info, err := f.Stat()
				_, wrote := f.Write([]byte("y"))
				return fmt.Sprint(strings.HasSuffix(f.Name(), "x"), info.Mode(), err, wrote, f.Close(),
					os.Remove(f.Name()))
			})
		}
		one("Remove", func(c calls, p string) string { return exactly(c.Remove(p)) })
		one("RemoveAll", func(c calls, p string) string { return exactly(c.RemoveAll(p)) })
		one("Readlink", func(c calls, p string) string {
			to, err := c.Readlink(p)
			return to + exactly(err)
		})
		one("Truncate", func(c calls, p string) string {
			return exactly(c.Truncate(p, 7)) + exactly(c.Truncate(p, -1))
		})
		one("Chmod", func(c calls, p string) string { return exactly(c.Chmod(p, 0o604|os.ModeSetgid|os.ModeSticky)) })
		one("Chown", func(c calls, p string) string { return exactly(c.Chown(p, os.Getuid(), -1)) })
		one("Chtimes", func(c calls, p string) string {
			return exactly(c.Chtimes(p, time.Time{}, longAgo.Add(time.Minute))) +
				exactly(c.Chtimes(p, longAgo, time.Time{})) +
				exactly(c.Chtimes(p, time.Time{}, time.Time{}))
		})
		one("Open", func(c calls, p string) string {
			f, err := c.Open(p)
			if err != nil {
				return exactly(err)
			}
			defer f.Close()
			return f.Name() + shape(f.Stat())
		})
		one("DirFS", func(c calls, p string) string {
			s, err := fs.Stat(c.DirFS(p), "file")
			return shape(s, err)
		})
		for _, method := range []string{"Open", "ReadFile", "ReadDir", "Stat", "Lstat", "ReadLink"} {
			add(fmt.Sprintf("DirFS.%s %.40q", method, name),
				func(c calls, dir string) string { return inFS(c.DirFS(dir), method, name) })
		}
	}
	for _, old := range few {
		for _, new := range few {
			for op, f := range map[string]func(c calls) func(old, new string) error{
				"Rename":  func(c calls) func(old, new string) error { return c.Rename },
				"Link":    func(c calls) func(old, new string) error { return c.Link },
				"Symlink": func(c calls) func(old, new string) error { return c.Symlink },
			} {
				add(fmt.Sprintf("%s %q %q", op, old, new),
					func(c calls, dir string) string { return exactly(f(c)(dir+"/"+old, dir+"/"+new)) })
			}
		}
	}
	for _, pattern := range []string{"", "a*b", "a*b*c", "x/y", "/", "*/", "nul\x00*"} {
		add(fmt.Sprintf("temporary %q", pattern), func(c calls, dir string) string {
			made, err := c.MkdirTemp(dir, pattern)
			f, err2 := c.CreateTemp(dir, pattern)
			s := exactly(withoutDigits(err, nil)) + exactly(withoutDigits(err2, nil))
			for _, path := range []string{made, nameOf(f)} {
				s += fmt.Sprint(" ", strings.Map(noDigit, filepath.Base(path)), os.Remove(path) == nil)
			}
			if f != nil {
				s += exactly(f.Close())
			}
			return s
		})
	}
	return all
}

func nameOf(f anyFile) string {
	if f == nil {
		return ""
	}
	return f.Name()
}

func noDigit(r rune) rune {
	if r >= '0' && r <= '9' {
		return -1
	}
	return r
}

// withoutDigits takes what was found by chance out of an error's name. The other error comes with
// it, if the first is nil.
func withoutDigits(err, other error) error {
	if err == nil {
		err = other
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return &fs.PathError{Op: p.Op, Path: strings.Map(noDigit, p.Path), Err: p.Err}
	}
	return err
}

// inFS calls a method of a file system, and says what it has to say.
func inFS(fsys fs.FS, method, name string) string {
	switch method {
	case "Open":
		f, err := fsys.Open(name)
		if err != nil {
			return exactly(err) + fmt.Sprint(f == nil)
		}
		defer f.Close()
		return shape(f.Stat())
	case "ReadFile":
		b, err := fsys.(fs.ReadFileFS).ReadFile(name)
		return fmt.Sprintf("%d bytes, %.10q %v %s", len(b), b, b == nil, exactly(err))
	case "ReadDir":
		list, err := fsys.(fs.ReadDirFS).ReadDir(name)
		return shapes(list, entry) + exactly(err)
	case "Stat":
		return shape(fsys.(fs.StatFS).Stat(name))
	case "Lstat":
		return shape(fsys.(fs.ReadLinkFS).Lstat(name))
	case "ReadLink":
		to, err := fsys.(fs.ReadLinkFS).ReadLink(name)
		return to + exactly(err)
	}
	panic(method)
}

// likeOS runs a script on package os and on others, each on a tree of its own, and compares.
func likeOS(t *testing.T, base string, s script, others map[string]calls) {
	t.Helper()
	run := func(c calls) string {
		dir := filepath.Join(base, "tree")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		plant(dir)
		said := s.run(c, dir)
		return said + "\n" + census(dir)
	}
	want := run(osCalls())
	for name, c := range others {
		if got := run(c); got != want {
			t.Errorf("%s:\n os says\n%.2000s\n %s says\n%.2000s", s.name, want, name, got)
		}
	}
}

// pathsLikeOS guards that each function on names does what package os does, with the same errors.
// The trees of names are in memory, where that can be, but for some on a disk: it takes thousands
// of them.
func pathsLikeOS(t *testing.T, lib *aio.IO) {
	memory, err := os.MkdirTemp("/dev/shm", "weir")
	if err != nil {
		memory = t.TempDir()
	}
	defer os.RemoveAll(memory)
	disk := t.TempDir()
	others := map[string]calls{"IO": ioCalls(lib)}
	for i, s := range pathScripts() {
		if i%7 == 0 {
			likeOS(t, disk, s, others)
		} else if !testing.Short() {
			likeOS(t, memory, s, others)
		}
	}
}

func TestPathsEverywhere(t *testing.T) { pathsLikeOS(t, anywhere(t)) }

// TestPathsOfDefault guards that the functions of the package are those of the default IO, each its
// own.
func TestPathsOfDefault(t *testing.T) {
	base := t.TempDir()
	for _, s := range pathScripts() {
		if strings.Contains(s.name, `"file"`) || strings.Contains(s.name, `"missing"`) || strings.Contains(s.name,
			`"full"`) {
			likeOS(t, base, s, map[string]calls{"aio": aioCalls()})
		}
	}
	c := aioCalls()
	r, w, err := c.Pipe()
	if err != nil {
		t.Logf("no pipes on %s: %v", runtime.GOOS, err)
	} else if err := errors.Join(r.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	if err := aio.Default().Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Stat(base); err != nil { // on another
		t.Error(err)
	}
	if err := aio.Default().Close(); err != nil {
		t.Fatal(err)
	}
}

// TestPathsEnd guards that an IO that has ended does nothing any more, and that its errors are what
// package os's are, and net.ErrClosed.
func TestPathsEnd(t *testing.T) {
	lib := anywhere(t)
	dir := t.TempDir()
	plant(dir)
	before := census(dir)
	fsys := lib.DirFS(dir)
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	c := ioCalls(lib)
	at := func(name string) string { return filepath.Join(dir, name) }
	file, other := at("file"), at("other")
	second := func(_ any, err error) error { return err }
	_, _, pipe := c.Pipe()
	for name, err := range map[string]error{
		"Open":       second(c.Open(file)),
		"CreateTemp": second(c.CreateTemp(dir, "")),
		"Pipe":       pipe,
		"ReadFile":   second(c.ReadFile(file)),
		"WriteFile":  c.WriteFile(file, nil, 0o600),
		"Stat":       second(c.Stat(file)),
		"Lstat":      second(c.Lstat(file)),
		"ReadDir":    second(c.ReadDir(dir)),
		"Mkdir":      c.Mkdir(other, 0o700),
		"MkdirAll":   c.MkdirAll(other, 0o700),
		"MkdirTemp":  second(c.MkdirTemp(dir, "")),
		"Remove":     c.Remove(file),
		"RemoveAll":  c.RemoveAll(dir),
		"Rename":     c.Rename(file, other),
		"Link":       c.Link(file, other),
		"Symlink":    c.Symlink(file, other),
		"Readlink":   second(c.Readlink(at("good"))),
		"Truncate":   c.Truncate(file, 1),
		"Chmod":      c.Chmod(file, 0o600),
		"Chown":      c.Chown(file, -1, -1),
		"Chtimes":    c.Chtimes(file, longAgo, longAgo),
		"DirFS":      second(fs.ReadFile(fsys, "file")),
	} {
		var path *fs.PathError
		var link *os.LinkError
		var call *os.SyscallError
		typed := errors.As(err, &path)
		switch name {
		case "Rename", "Link", "Symlink":
			typed = errors.As(err, &link) && link.Old == file && link.New == other && link.Op == strings.ToLower(name)
		case "Pipe":
			if typed = errors.As(err, &call); errors.Is(err, errors.ErrUnsupported) {
				t.Logf("no pipes on %s: %v", runtime.GOOS, err)
				continue
			}
		}
		if !typed || !errors.Is(err, net.ErrClosed) || !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %s", name, exactly(err))
		}
	}
	if after := census(dir); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

// testDirFS holds DirFS to the rules of package fs.
func testDirFS(t *testing.T, lib *aio.IO) {
	dir := t.TempDir()
	plant(dir)
	for _, link := range []string{"good", "todir", "dangling", "loop"} { // fstest wants no links that lead nowhere
		os.Remove(filepath.Join(dir, link))
	}
	for _, root := range []string{dir, dir + string(os.PathSeparator)} {
		fsys := lib.DirFS(root)
		if err := fstest.TestFS(fsys, "file", "empty", "full/a", "full/b", "full/sub/c"); err != nil {
			t.Error(err)
		}
		f, err := fsys.Open("file")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := f.(*aio.File); !ok {
			t.Errorf("it opens a %T", f)
		}
		f.Close()
	}
	if got, want := inFS(lib.DirFS(""), "Stat", "file"), inFS(os.DirFS(""), "Stat", "file"); got != want {
		t.Errorf("without a directory %s, with package os %s", got, want)
	}
}

func TestDirFSEverywhere(t *testing.T) { testDirFS(t, anywhere(t)) }

// The functions of package os on names, and file systems of package fs, with files of weir's.
func ExampleIO_DirFS() {
	weir, err := aio.New(aio.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer weir.Close()
	dir, err := weir.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer weir.RemoveAll(dir)
	if err := weir.MkdirAll(filepath.Join(dir, "pages", "en"), 0o755); err != nil {
		fmt.Println(err)
	}
	for _, name := range []string{"en/index.html", "en/about.html", "style.css"} {
		if err := weir.WriteFile(filepath.Join(dir, "pages", filepath.FromSlash(name)), []byte(name),
			0o644); err != nil {
			fmt.Println(err)
		}
	}
	found, err := fs.Glob(weir.DirFS(dir), "pages/*/*.html")
	fmt.Println(found, err)
	text, err := weir.ReadFile(filepath.Join(dir, "pages", "style.css"))
	fmt.Println(string(text), err)
	_, err = weir.Stat(filepath.Join(dir, "none"))
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// [pages/en/about.html pages/en/index.html] <nil>
	// style.css <nil>
	// true
}
