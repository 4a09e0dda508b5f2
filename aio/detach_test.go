package aio_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirgo/weir/aio"
)

// testDetach guards the way from a File to package os's and back: nothing is duplicated, nothing
// closed, and what is given away is not used any more.
func testDetach(t *testing.T, lib *aio.IO) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	std, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f, err := lib.FromFile(std)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name() != name {
			t.Errorf("it is called %q", f.Name())
		}
		p := make([]byte, 3)
		if n, err := f.Read(p); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		back, err := f.Detach()
		if back != std || err != nil {
			t.Fatalf("%p, %v, want %p", back, err, std)
		}
		if again, err := f.Detach(); again != nil || !errors.Is(err, os.ErrClosed) {
			t.Errorf("Detach after that: %v, %v", again, err)
		}
		if err := f.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Close after that: %v", err)
		}
		if _, err := f.Read(p); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read after that: %v", err)
		}
		if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Stat after that: %v", err)
		}
	}
	p := make([]byte, 10)
	if n, err := std.Read(p); string(p[:n]) != "6789" || err != nil {
		t.Errorf("what is left for package os: %q, %v", p[:n], err)
	}
	f, err := lib.FromFile(std)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := std.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Close of the File left package os's open: %v", err)
	}
	if f, err := lib.FromFile(std); f != nil || !errors.Is(err, os.ErrClosed) {
		t.Errorf("of a closed file: %v, %v", f, err)
	}
	if f, err := lib.FromFile(nil); f != nil || !errors.Is(err, os.ErrInvalid) {
		t.Errorf("of nil: %v, %v", f, err)
	}
	if f, err := (*aio.File)(nil).Detach(); f != nil || !errors.Is(err, os.ErrInvalid) {
		t.Errorf("Detach of nil: %v, %v", f, err)
	}
	if f, err = lib.Open(name); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if std, err := f.Detach(); std != nil || !errors.Is(err, os.ErrClosed) {
		t.Errorf("Detach after Close: %v, %v", std, err)
	}
	r, w, err := lib.Pipe()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("the rest is about pipes: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c := make(chan error)
	go func() {
		_, err := r.Read(make([]byte, 1))
		c <- err
	}()
	std, err = r.Detach() // beside a read, perhaps
	if err != nil {
		t.Fatal(err)
	}
	if err := <-c; !errors.Is(err, os.ErrClosed) {
		t.Errorf("a read that Detach ends: %v", err)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if n, err := std.Read(p); n != 1 || err != nil {
		t.Errorf("package os reads %d, %v", n, err)
	}
	if err := std.Close(); err != nil {
		t.Error(err)
	}
}

func TestDetachEverywhere(t *testing.T) { testDetach(t, anywhere(t)) }
