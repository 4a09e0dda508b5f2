package aio_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// TestFilesEverywhere: registered files work on every system that has descriptors, registered or
// not, of an IO and of the default one, and do not mind that what they were made from is closed.
func TestFilesEverywhere(t *testing.T) {
	lib := anywhere(t)
	for name, register := range map[string]func(fd int) (*aio.FixedFile, error){
		"IO": lib.RegisterFile, "default": aio.RegisterFile,
	} {
		file, err := lib.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(name, err)
		}
		f, err := register(int(file.Fd()))
		if closed := file.Close(); closed != nil {
			t.Error(closed)
		}
		if errors.Is(err, errors.ErrUnsupported) {
			t.Logf("%s: no operations on descriptors here: %v", name, err)
			continue
		}
		if err != nil {
			t.Fatal(name, err)
		}
		buf := make([]byte, 4)
		w, r := op.Write(-1, []byte("text"), 0).SetFile(f).Link(), op.Read(-1, buf, 0).SetFile(f)
		if err := lib.Do(t.Context(), w, r); err != nil || r.N != 4 || string(buf) != "text" {
			t.Errorf("%s: read %d bytes, %q: %v", name, r.N, buf, err)
		}
		if err := f.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
		if err := f.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: second Close: %v", name, err)
		}
		if err := lib.Do(t.Context(), r); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: after Close: %v", name, err)
		}
	}
	if err := errors.Join(lib.Close(), aio.Default().Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := lib.RegisterFile(int(os.Stdin.Fd())); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// TestRegisteredConn: a connection that is registered and closed is open for its peer until the
// FixedFile is closed too.
func TestRegisteredConn(t *testing.T) {
	lib := anywhere(t)
	l, err := lib.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	mine, err := lib.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	raw, err := mine.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var f *aio.FixedFile
	var failed error
	if err := raw.Control(func(fd uintptr) { f, failed = lib.RegisterFile(int(fd)) }); err != nil {
		t.Fatal(err)
	}
	if err := mine.Close(); err != nil {
		t.Error(err)
	}
	if errors.Is(failed, errors.ErrUnsupported) {
		t.Skip("no operations on descriptors here:", failed)
	}
	if failed != nil {
		t.Fatal(failed)
	}
	if err := lib.Do(t.Context(), op.Send(-1, []byte("text"), 0).SetFile(f)); err != nil {
		t.Error(err)
	}
	buf := make([]byte, 10)
	if n, err := peer.Read(buf); err != nil || string(buf[:n]) != "text" {
		t.Errorf("the peer read %q: %v", buf[:n], err)
	}
	waiting := op.Recv(-1, buf, 0).SetFile(f)
	b := lib.Start(waiting)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Wait(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("in flight: %v", err)
	}
	if n, err := peer.Read(buf); n != 0 || err == nil {
		t.Errorf("the peer read %d, %v", n, err)
	}
}
