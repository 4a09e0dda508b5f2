//go:build !weir_portable

package aio

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCopyRange guards what becomes of answers of copy_file_range that a test cannot make the
// kernel give: signals, files that it takes for empty, and an end in the middle.
func TestCopyRange(t *testing.T) {
	lib, err := New(Options{Backend: os.Getenv("WEIR_BACKEND")})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	defer lib.Close()
	f, err := lib.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type answer struct {
		n   int
		err error
	}
	for _, c := range []struct {
		name    string
		answers []answer
		n       int64
		done    bool
	}{
		{"signals", []answer{{0, unix.EINTR}, {5, nil}, {0, unix.EINTR}, {5, nil}}, 10, true},
		{"the end", []answer{{7, nil}, {0, nil}}, 7, true},
		{"no size", []answer{{0, nil}}, 0, false},
		{"not for these files", []answer{{0, unix.EXDEV}}, 0, false},
		{"trouble on the way", []answer{{3, nil}, {0, unix.EIO}}, 3, false},
	} {
		asked := 0
		n, err, done := f.copyRange(func(func(int) (int, error)) (int, error) {
			a := c.answers[asked]
			asked++
			return a.n, a.err
		}, nil, 10)
		if n != c.n || err != nil || done != c.done || asked != len(c.answers) {
			t.Errorf("%s: %d, %v, done %v after %d calls", c.name, n, err, done, asked)
		}
	}
	f.Close()
	if _, err, done := f.copyRange(func(func(int) (int, error)) (int, error) { return 0, io.EOF }, nil,
		10); err == nil || !done {
		t.Errorf("to a closed file: %v, %v", err, done)
	}
}
