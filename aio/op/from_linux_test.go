package op_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
)

// TestFromNil: From(nil) puts an operation on its own descriptor again, also after it has run on
// another's.
func TestFromNil(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		dir := t.TempDir()
		name := filepath.Join(dir, "other")
		for _, f := range []string{"own", "other"} {
			if err := os.WriteFile(filepath.Join(dir, f), []byte(f), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		own, err := unix.Open(filepath.Join(dir, "own"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(own)
		buf := make([]byte, 5)
		open, read := op.Open(op.CWD, name, unix.O_RDONLY, 0), op.Read(own, buf, 0)
		r.ok(open.Link(), read.From(open))
		if string(buf[:read.N]) != "other" {
			t.Errorf("From: %q", buf[:read.N])
		}
		r.ok(read.From(nil))
		if string(buf[:read.N]) != "own" {
			t.Errorf("after From(nil): %q", buf[:read.N])
		}
		a, b := r.pipe()
		// what polls for its own end, or is cancelled by name, is on that descriptor, too
		wait := op.Read(a, buf, op.Stream)
		r.ok(op.Close(0).From(open.ClearLink()))
		batch := op.Start(r.l, wait)
		r.ok(op.Write(b, []byte("x"), op.Stream))
		if err := batch.Wait(bg); err != nil || wait.N != 1 {
			t.Error(err, wait.N)
		}
	})
}

// TestFromWaits: an operation that takes its descriptor From another and has to wait is found by a
// close of that descriptor.
func TestFromWaits(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		name := filepath.Join(t.TempDir(), "fifo")
		if err := unix.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
		open, read := op.Open(op.CWD, name, unix.O_RDWR, 0), op.Read(-1, make([]byte, 1), op.Stream)
		r.ok(open)
		batch := op.Start(r.l, read.From(open))
		r.ok(op.Timeout(5 * time.Millisecond))
		r.ok(op.CloseSocket(open.N))
		if err := batch.Wait(bg); err == nil || read.N != 0 {
			t.Errorf("read: %d, %v", read.N, err)
		}
	})
}

// TestFromTakes: From is for a source that makes a descriptor and an operation that has one.
func TestFromTakes(t *testing.T) {
	open, read := op.Open(op.CWD, "/", 0, 0), op.Read(0, nil, 0)
	var event op.Event
	for name, f := range map[string]func(){
		"from a read": func() { op.Read(0, nil, 0).From(read) },
		"from a pipe": func() { op.Read(0, nil, 0).From(op.Pipe(0)) },
		"from a nop":  func() { op.Read(0, nil, 0).From(op.Nop()) }, "from itself": func() { read.From(read) },
		"a nop": func() { op.Nop().From(open) }, "a timeout": func() { op.Timeout(0).From(open) },
		"a socket": func() { op.Socket(0, 0, 0).From(open) }, "an event": func() { op.EventWait(&event).From(open) },
		"an attribute by name": func() { op.Getxattr("/", "user.x", nil).From(open) },
		"a cancel":             func() { op.Cancel(open).From(open) },
		"a futex":              func() { op.FutexWake(nil, 0, true).From(open) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
	for _, source := range []*op.Op{open, op.Accept(0, 0), op.Socket(0, 0, 0)} {
		for _, o := range []*op.Op{op.Read(0, nil, 0), op.Close(0), op.Mkdir(0, "x", 0), op.Fgetxattr(0, "user.x", nil),
			op.Splice(0, 0, 0, 0, 0, 0)} {
			if o.From(source) != o {
				t.Error(fmt.Sprint(o))
			}
		}
	}
}
