package aio_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// TestBuffersEverywhere: buffers work on every system, registered or not, of an IO and of the
// default one.
func TestBuffersEverywhere(t *testing.T) {
	lib := anywhere(t)
	for name, register := range map[string]func(n, size int) (*aio.Buffers, error){
		"IO": lib.RegisterBuffers, "default": aio.RegisterBuffers,
	} {
		p, err := register(2, 4096)
		if err != nil {
			t.Fatal(name, err)
		}
		f, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b, err := p.Get(t.Context())
		if err != nil {
			t.Fatal(name, err)
		}
		copy(b.Bytes(), "text")
		w, r := op.WriteFixed(int(f.Fd()), b, 0).SetRange(0, 4).Link(), op.ReadFixed(int(f.Fd()), b, 0)
		switch err := lib.Do(t.Context(), w, r); {
		case errors.Is(err, errors.ErrUnsupported):
			t.Logf("%s: no operations on files here: %v", name, err)
		case err != nil || r.N != 4 || string(b.Bytes()[:4]) != "text":
			t.Errorf("%s: read %d bytes, %q: %v", name, r.N, b.Bytes()[:4], err)
		}
		if err := p.Close(); !errors.Is(err, op.ErrInUse) {
			t.Errorf("%s: Close with a buffer out: %v", name, err)
		}
		if err := b.Release(); err != nil {
			t.Errorf("%s: Release: %v", name, err)
		}
		if err := b.Release(); !errors.Is(err, op.ErrReleased) {
			t.Errorf("%s: second Release: %v", name, err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
		if _, err := p.Get(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: Get after Close: %v", name, err)
		}
	}
	if err := errors.Join(lib.Close(), aio.Default().Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := lib.RegisterBuffers(1, 1); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}
