//go:build !weir_portable

package aio_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// Files go to sockets, and sockets to sockets, through the kernel alone: on the drives where every
// send and receive of weir's is an operation of a loop there are none.
func TestCopyInKernel(t *testing.T) {
	data := payload(5<<20 + 7)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, lib *aio.IO) {
		own, err := lib.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer own.Close()
		std, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer std.Close()
		for _, f := range []interface {
			io.ReadSeeker
			io.ReaderAt
		}{own, std} {
			for _, limit := range []int64{-1, 3<<20 + 5, 1 << 40} {
				f.Seek(11, io.SeekStart)
				a, b := pipe(t, "tcp", lib.Dial, net.Listen)
				got := slowly(b)
				want := data[11:]
				src := io.Reader(f)
				lr := &io.LimitedReader{R: f, N: limit}
				if limit >= 0 {
					src = lr
					want = want[:min(limit, int64(len(want)))]
				}
				n, err := io.Copy(a, src)
				if n != int64(len(want)) || err != nil {
					t.Errorf("%T, limit %d: %d of %d bytes, %v", f, limit, n, len(want), err)
				}
				if limit >= 0 && lr.N != limit-n {
					t.Errorf("%T: the LimitedReader has %d left, want %d", f, lr.N, limit-n)
				}
				if pos, err := f.Seek(0, io.SeekCurrent); pos != 11+n || err != nil {
					t.Errorf("%T: position %d after %d bytes from 11, %v", f, pos, n, err)
				}
				a.Close()
				if !bytes.Equal(<-got, want) {
					t.Errorf("%T, limit %d: other bytes arrived", f, limit)
				}
				b.Close()
			}
		}
		for _, networks := range [][2]string{{"tcp", "tcp"}, {"unix", "tcp"}, {"tcp", "unix"}} {
			in, from := pipe(t, networks[0], net.Dial, lib.Listen)
			to, out := pipe(t, networks[1], lib.Dial, net.Listen)
			got := slowly(out)
			go func() {
				in.Write(data[:1])
				time.Sleep(5 * time.Millisecond)
				in.Write(data[1:])
				in.Close()
			}()
			if n, err := io.Copy(to, from); n != int64(len(data)) || err != nil {
				t.Errorf("%v: %d of %d bytes, %v", networks, n, len(data), err)
			}
			to.Close()
			if !bytes.Equal(<-got, data) {
				t.Errorf("%v: other bytes arrived", networks)
			}
			from.Close()
			out.Close()
		}
		if ops := lib.Stats().Ops; ops["send"]+ops["recv"] > 0 {
			t.Errorf("%d sends and %d receives", ops["send"], ops["recv"])
		}
	})
}

// What the kernel cannot do by itself is copied all the same.
func TestCopyOtherwise(t *testing.T) {
	data := payload(300000)
	each(t, func(t *testing.T, lib *aio.IO) {
		copyTo := func(src io.Reader) {
			t.Helper()
			a, b := pipe(t, "tcp", lib.Dial, net.Listen)
			got := slowly(b)
			if n, err := io.Copy(a, src); n != int64(len(data)) || err != nil {
				t.Errorf("from %T: %d bytes, %v", src, n, err)
			}
			a.Close()
			if !bytes.Equal(<-got, data) {
				t.Errorf("from %T: other bytes arrived", src)
			}
			b.Close()
		}
		copyTo(bytes.NewReader(data))
		copyTo(io.LimitReader(strings.NewReader(string(data)+"more"), int64(len(data))))
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() { w.Write(data); w.Close() }()
		copyTo(r)
		r.Close()
		pn, an := pipe(t, "tcp", net.Dial, net.Listen)
		go func() { pn.Write(data); pn.Close() }()
		copyTo(an)
		an.Close()

		in, from := pipe(t, "tcp", net.Dial, lib.Listen)
		go func() { in.Write(data); in.Close() }()
		var buf bytes.Buffer
		if n, err := io.Copy(struct{ io.Writer }{&buf}, from); n != int64(len(data)) || err != nil ||
			!bytes.Equal(buf.Bytes(), data) {
			t.Errorf("to a writer: %d bytes, %v", n, err)
		}
		from.Close()
	})
}

// A copy in the kernel obeys deadlines and Close of both ends, and says what went wrong.
func TestCopyEnds(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		type ends struct{ in, from, to, out net.Conn }
		for name, c := range map[string]struct {
			act  func(e ends)
			want error
		}{
			"read deadline": {func(e ends) { e.from.SetReadDeadline(time.Now().Add(5 * time.Millisecond)) },
				os.ErrDeadlineExceeded},
			"past read deadline": {func(e ends) { e.from.SetReadDeadline(time.Unix(1, 0)) },
				os.ErrDeadlineExceeded},
			"source closed": {func(e ends) {
				time.AfterFunc(5*time.Millisecond,
					func() { e.from.Close() })
			}, net.ErrClosed},
			"destination closed before": {func(e ends) { e.to.Close() }, net.ErrClosed},
			"source closed before":      {func(e ends) { e.from.Close() }, net.ErrClosed},
			"source reset": {func(e ends) {
				e.in.(*net.TCPConn).SetLinger(0)
				e.in.Close()
			}, unix.ECONNRESET},
			"destination full, write deadline": {func(e ends) {
				go e.in.Write(make([]byte, 64<<20))
				e.to.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
			}, os.ErrDeadlineExceeded},
			"destination full, closed": {func(e ends) {
				go e.in.Write(make([]byte, 64<<20))
				time.AfterFunc(20*time.Millisecond, func() { e.to.Close() })
			}, net.ErrClosed},
			"end": {func(e ends) { e.in.Close() }, nil},
		} {
			t.Run(name, func(t *testing.T) {
				var e ends
				e.in, e.from = pipe(t, "tcp", net.Dial, lib.Listen)
				e.to, e.out = pipe(t, "tcp", lib.Dial, net.Listen)
				c.act(e)
				_, err := io.Copy(e.to, e.from)
				if !errors.Is(err, c.want) {
					t.Errorf("the copy ends with %v, want %v", err, c.want)
				}
				var op *net.OpError
				if c.want != nil && (!errors.As(err, &op) || op.Op != "writeto") {
					t.Errorf("the error is %#v", err)
				}
				for _, c := range []net.Conn{e.in, e.from, e.to, e.out} {
					c.Close()
				}
			})
		}
		for range 20 { // what was left in a pipe is not found by the next copy that gets it
			in, from := pipe(t, "tcp", net.Dial, lib.Listen)
			to, out := pipe(t, "tcp", lib.Dial, net.Listen)
			in.Write([]byte("clean"))
			in.Close()
			if n, err := io.Copy(to, from); n != 5 || err != nil {
				t.Errorf("copied %d, %v", n, err)
			}
			to.Close()
			if got, err := io.ReadAll(out); string(got) != "clean" || err != nil {
				t.Errorf("read %.20q, %v", got, err)
			}
			from.Close()
			out.Close()
		}

		a, b := pairOf(t, "tcp", lib)
		b.Close()
		f, err := os.Open("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i := 0; ; i++ { // the peer's reset takes a moment to arrive
			f.Seek(0, io.SeekStart)
			_, err := io.Copy(a, f)
			var op *net.OpError
			if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
				if !errors.As(err, &op) || op.Op != "readfrom" {
					t.Errorf("the error is %#v", err)
				}
				break
			}
			if i == 1000 {
				t.Fatalf("sending to a closed peer: %v", err)
			}
			time.Sleep(time.Millisecond)
		}
	})
}
