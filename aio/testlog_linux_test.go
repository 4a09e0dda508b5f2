package aio_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/internal/sys/systest"
)

// TestCacheOfGoTest: go test is told of every file that is used through aio, as if it was through
// os, so that it does not say "(cached)" when one of them has changed.
func TestCacheOfGoTest(t *testing.T) {
	if dir := os.Getenv("USED"); systest.InChild(t) {
		if os.Getenv("STD") != "" {
			use(os.Open, os.OpenFile, os.Create, os.ReadFile, os.WriteFile, os.DirFS, os.Stat, os.Lstat, dir)
			for _, name := range []string{"op", "opdir", "opdir/below", "opdir/of number"} {
				os.Open(filepath.Join(dir, name))
			}
			os.Stat(filepath.Join(dir, "opdir/stat"))
			os.Lstat(filepath.Join(dir, "oplink"))
			os.Getenv("WEIR_BACKEND")
			os.Getenv("WEIR_DRIVE")
			return
		}
		defer aio.Default().Close()
		use(aio.Open, aio.OpenFile, aio.Create, aio.ReadFile, aio.WriteFile, aio.DirFS, aio.Stat, aio.Lstat, dir)
		useOps(dir)
		return
	}
	dir := t.TempDir()
	var logs [2][]string
	for i, std := range []string{"1", ""} {
		used := filepath.Join(dir, "used")
		if err := os.MkdirAll(filepath.Join(used, "dir"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(used, "opdir"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"open", "read", "in", "stat", "op", "opdir/below", "opdir/of number",
			"opdir/stat", "oplink"} {
			if err := os.WriteFile(filepath.Join(used, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		log := filepath.Join(dir, "log")
		cmd := systest.Command(t)
		cmd.Args = append(cmd.Args, "-test.testlogfile="+log)
		cmd.Env = append(cmd.Env, "STD="+std, "USED="+used)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		data, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, used) || strings.Contains(line, "WEIR_BACKEND") || strings.Contains(line,
				"WEIR_DRIVE") {
				logs[i] = append(logs[i], line)
			}
		}
		slices.Sort(logs[i])
		logs[i] = slices.Compact(logs[i])
	}
	if len(logs[0]) < 10 || !slices.Equal(logs[0], logs[1]) {
		t.Errorf("package os is said to have used\n%s\nand aio\n%s", strings.Join(logs[0], ""),
			strings.Join(logs[1], ""))
	}
}

type closer interface {
	Chdir() error
	Close() error
}

// use uses files in dir in every way that names them.
func use[F closer](open func(string) (F, error), openFile func(string, int, os.FileMode) (F, error),
	create func(string) (F, error),
	readFile func(string) ([]byte, error), writeFile func(string, []byte, os.FileMode) error, dirFS func(string) fs.FS,
	stat, lstat func(string) (os.FileInfo, error), dir string) {
	in := func(name string) string { return filepath.Join(dir, name) }
	open(in("missing"))
	if f, err := open(in("open")); err == nil {
		f.Close()
	}
	if f, err := openFile(in("opened"), os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		f.Close()
	}
	if f, err := create(in("created")); err == nil {
		f.Close()
	}
	readFile(in("read"))
	writeFile(in("written"), nil, 0o600)
	if f, err := dirFS(dir).Open("in"); err == nil {
		f.Close()
	}
	stat(in("stat"))
	lstat(in("lstat"))
	if f, err := open(in("dir")); err == nil {
		f.Chdir()
		f.Close()
	}
}

// useOps does the same with operations.
func useOps(dir string) {
	ctx := context.Background()
	at, err := unix.Open(filepath.Join(dir, "opdir"), unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	var st op.Stat
	d := op.Open(op.CWD, filepath.Join(dir, "opdir"), unix.O_DIRECTORY, 0)
	aio.Do(ctx, op.Open(op.CWD, filepath.Join(dir, "op"), unix.O_RDONLY, 0))
	aio.Do(ctx,
		d.LinkAlways(), op.Open(-1, "below", unix.O_RDONLY, 0).From(d).LinkAlways(),
		op.Statx(-1, "stat", 0, unix.STATX_SIZE, &st).From(d),
		op.Open(at, "of number", unix.O_RDONLY, 0), op.Statx(at, filepath.Join(dir, "oplink"),
			unix.AT_SYMLINK_NOFOLLOW, unix.STATX_SIZE, &st),
	)
}
