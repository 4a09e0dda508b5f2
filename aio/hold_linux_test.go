//go:build !weir_portable

package aio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// TestOpOn: an operation that is On a file works on that file or fails with os.ErrClosed: never on
// another one that has got its descriptor's number.
func TestOpOn(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		dir, bg := t.TempDir(), context.Background()
		a, err := lib.Create(filepath.Join(dir, "a"))
		if err != nil {
			t.Fatal(err)
		}
		w, r := op.Write(0, []byte("record"), 0).On(a), op.Read(0, make([]byte, 10), 2).On(a)
		if err := lib.Do(bg, w.LinkAlways(), r); err != nil || w.N != 6 || r.N != 4 {
			t.Errorf("%v: wrote %d, read %d", err, w.N, r.N)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := lib.Create(filepath.Join(dir, "b"))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		var which *op.Error
		if err := lib.Do(bg, op.Nop(), w.ClearLink()); !errors.Is(err, os.ErrClosed) || !errors.As(err, &which) ||
			which.Index != 1 || w.Err != err {
			t.Errorf("after Close: %v, %v", err, w.Err)
		} else if !strings.Contains(err.Error(), "write "+a.Name()) || !strings.HasPrefix(err.Error(), "op: ") {
			t.Errorf("the error does not name the operation and its file: %v", err)
		}
		if err := lib.Do(bg, w.On(b)); err != nil {
			t.Error(err)
		}
		if got, err := os.ReadFile(b.Name()); string(got) != "record" {
			t.Errorf("b holds %q, %v", got, err)
		}
		if err := lib.Do(bg, w.SetFD(int(b.Fd()))); err != nil {
			t.Error(err)
		}
		std, err := os.Open(b.Name())
		if err != nil {
			t.Fatal(err)
		}
		defer std.Close()
		for what, c := range map[string]struct {
			o    *op.Op
			want error
		}{
			"a file of package os": {op.Read(0, nil, 0).On(std), errors.ErrUnsupported},
			"nil":                  {op.Read(0, nil, 0).On(nil), os.ErrInvalid},
			"a nil file":           {op.Read(0, nil, 0).On((*aio.File)(nil)), os.ErrInvalid},
		} {
			if err := lib.Do(bg, c.o); err == nil || c.want != os.ErrInvalid && !errors.Is(err, c.want) {
				t.Errorf("On %s: %v", what, err)
			}
		}
		defer func() {
			if recover() == nil {
				t.Error("Close may be On a file")
			}
		}()
		op.Close(0).On(b)
	})
}

// TestOpOnClose: Close of a connection ends the operations that are On it, with net.ErrClosed, and
// waits for them, however they were submitted and whether they have begun; also those that are
// about to be.
func TestOpOnClose(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		bg := context.Background()
		for round := range 30 {
			a, b := pipe(t, "unix", lib.Dial, lib.Listen)
			conn := a.(*aio.UnixConn)
			first, second := op.Recv(0, make([]byte, 1), 0).On(conn), op.Recv(0, make([]byte, 1), 0).On(conn)
			started := lib.Start(first.LinkAlways(), second)
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					for {
						o := op.Recv(0, make([]byte, 1), 0).On(conn)
						if err := lib.Do(bg, o); !errors.Is(err, net.ErrClosed) || !errors.Is(o.Err, net.ErrClosed) {
							t.Errorf("Do: %v, %v", err, o.Err)
						}
						if _, err := conn.Read(nil); err != nil {
							return
						}
					}
				})
			}
			if round%3 != 0 {
				time.Sleep(time.Duration(round) * 20 * time.Microsecond)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			wg.Wait()
			<-started.Done()
			if !errors.Is(first.Err, net.ErrClosed) || !errors.Is(second.Err, net.ErrClosed) {
				t.Errorf("started: %v, %v", first.Err, second.Err)
			}
			b.Close()
		}
	})
}
