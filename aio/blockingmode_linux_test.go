//go:build !weir_portable

package aio_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// blockingMode puts a socket into blocking mode or out of it, as another process does that shares
// the open file (golang/go#43894, cloudflare/tableflip#60).
func blockingMode(t *testing.T, c *aio.TCPConn, on bool) {
	t.Helper()
	raw, _ := c.SyscallConn()
	raw.Control(func(fd uintptr) {
		if err := unix.SetNonblock(int(fd), !on); err != nil {
			t.Fatal(err)
		}
	})
}

// Copies obey deadlines and Close also when another process has put the socket into blocking mode.
// The kernel's own copies would wait for the peer.
func TestCopiesInBlockingMode(t *testing.T) {
	name := t.TempDir() + "/file"
	data := payload(8 << 20)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, w *aio.IO) {
		for _, source := range []string{"file", "connection"} {
			run := func(f func(c, peer *aio.TCPConn, src io.Reader)) {
				c, peer := tcpPair(t, w)
				if source == "file" {
					src, err := os.Open(name)
					if err != nil {
						t.Fatal(err)
					}
					defer src.Close()
					f(c, peer, src)
					return
				}
				in, client := tcpPair(t, w)
				blockingMode(t, in, true)
				go func() {
					client.Write(data)
					client.CloseWrite()
				}()
				f(c, peer, in)
			}
			run(func(c, peer *aio.TCPConn, src io.Reader) {
				blockingMode(t, c, true)
				waits(t, "ReadFrom", func(deadline time.Time) error {
					c.SetWriteDeadline(deadline)
					_, err := c.ReadFrom(src)
					return err
				})
				c.SetWriteDeadline(time.Time{})
				done := make(chan error, 1)
				go func() {
					_, err := c.ReadFrom(src)
					done <- err
				}()
				time.Sleep(10 * time.Millisecond)
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if err := <-done; !errors.Is(err, net.ErrClosed) {
					t.Errorf("from a %s: %v after Close", source, err)
				}
			})
			run(func(c, peer *aio.TCPConn, src io.Reader) { // the mode changes on the way
				done := make(chan error, 1)
				go func() {
					n, err := c.ReadFrom(src)
					if err == nil && n != int64(len(data)) {
						t.Errorf("from a %s: %d bytes, want %d", source, n, len(data))
					}
					c.CloseWrite()
					done <- err
				}()
				sum, p := sha256.New(), make([]byte, 100_000)
				for i := 0; ; i++ {
					blockingMode(t, c, i%20 > 5)
					n, err := peer.Read(p)
					sum.Write(p[:n])
					if err == io.EOF {
						break
					} else if err != nil {
						t.Fatal(err)
					}
				}
				if want := sha256.Sum256(data); !bytes.Equal(sum.Sum(nil), want[:]) {
					t.Errorf("from a %s: other bytes arrived", source)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// A read side in blocking mode ends at the deadline too.
func TestSpliceFromBlockingMode(t *testing.T) {
	each(t, func(t *testing.T, w *aio.IO) {
		in, _ := tcpPair(t, w)
		out, _ := tcpPair(t, w)
		blockingMode(t, in, true)
		waits(t, "ReadFrom", func(deadline time.Time) error {
			in.SetReadDeadline(deadline)
			_, err := out.ReadFrom(in)
			return err
		})
	})
}

// What others write beside a copy from a connection lands between two of its pieces, as with
// package net: it does not wait for the end of the copy.
func TestWriteBesideCopy(t *testing.T) {
	each(t, func(t *testing.T, w *aio.IO) {
		in, client := tcpPair(t, w)
		out, server := tcpPair(t, w)
		done := make(chan error, 1)
		go func() {
			_, err := out.ReadFrom(in)
			done <- err
		}()
		put(t, client, "one ")
		got := make([]byte, 100)
		if _, err := io.ReadFull(server, got[:4]); err != nil {
			t.Fatal(err)
		}
		put(t, out, "beside ")
		if _, err := io.ReadFull(server, got[4:11]); err != nil {
			t.Fatal(err)
		}
		put(t, client, "two")
		client.CloseWrite()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n, err := io.ReadFull(server, got[11:14]); err != nil || string(got[:11+n]) != "one beside two" {
			t.Errorf("%q, %v", got[:11+n], err)
		}
	})
}

// upper is a reader with a Read of its own around a file.
type upper struct{ *os.File }

func (u upper) Read(p []byte) (int, error) {
	n, err := u.File.Read(p)
	copy(p, bytes.ToUpper(p[:n]))
	return n, err
}

// Copies inside the kernel go around the Read of their source. So that must be a known one, not
// what a type around it does (golang/go#66988). (Without a limit io.Copy itself goes around it:
// such a type has the WriteTo of the file.)
func TestCopyOfEmbeddedFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/in", []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, w *aio.IO) {
		in := func() upper {
			f, err := os.Open(dir + "/in")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			return upper{f}
		}
		type sink interface {
			io.Writer
			io.ReaderFrom
			io.Closer
		}
		for _, to := range []string{"file", "connection"} {
			for how, cp := range map[string]func(dst sink) (int64, error){
				"CopyN":   func(dst sink) (int64, error) { return io.CopyN(dst, in(), 5) },
				"limited": func(dst sink) (int64, error) { return dst.ReadFrom(&io.LimitedReader{R: in(), N: 5}) },
			} {
				var dst sink
				var result func() ([]byte, error)
				if to == "file" {
					f, err := w.Create(dir + "/out")
					if err != nil {
						t.Fatal(err)
					}
					dst, result = f, func() ([]byte, error) { return os.ReadFile(dir + "/out") }
				} else {
					c, peer := tcpPair(t, w)
					dst, result = c, func() ([]byte, error) { return io.ReadAll(peer) }
				}
				n, err := cp(dst)
				dst.Close()
				if got, _ := result(); n != 5 || err != nil || string(got) != "HELLO" {
					t.Errorf("%s to a %s: %d, %v, %q", how, to, n, err, got)
				}
			}
		}
	})
}
