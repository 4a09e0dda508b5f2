//go:build !weir_portable

package aio_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/sys"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/internal/sys/systest"
)

// blocking says in which mode a descriptor is.
func blocking(t *testing.T, fd uintptr) bool {
	t.Helper()
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK == 0
}

// TestSocketFile: what File of a socket returns obeys deadlines, and its Fd is in blocking mode, as
// with package net.
func TestSocketFile(t *testing.T) {
	type filer interface{ File() (*os.File, error) }
	each(t, func(t *testing.T, lib *aio.IO) {
		for _, network := range []string{"tcp", "tcp4", "udp", "unix", "unixgram", "unixpacket", "listener",
			"unix listener"} {
			t.Run(network, func(t *testing.T) {
				var sockets [2]filer // net's, weir's
				path := filepath.Join(t.TempDir(), "s")
				keep := func(i int, x io.Closer, err error) {
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { x.Close() })
					sockets[i] = x.(filer)
				}
				switch network {
				case "tcp", "tcp4":
					for i, dial := range []func(network, address string) (net.Conn, error){net.Dial, lib.Dial} {
						ln, err := net.Listen("tcp", "127.0.0.1:0")
						if err != nil {
							t.Fatal(err)
						}
						defer ln.Close()
						c, err := dial(network, ln.Addr().String())
						keep(i, c, err)
					}
				case "udp", "unixgram":
					address := "127.0.0.1:0"
					for i, listen := range []func(network, address string) (net.PacketConn, error){net.ListenPacket,
						lib.ListenPacket} {
						if network == "unixgram" {
							address = path + fmt.Sprint(i)
						}
						c, err := listen(network, address)
						keep(i, c, err)
					}
				case "unix", "unixpacket":
					ln, err := net.Listen(network, path)
					if err != nil {
						t.Fatal(err)
					}
					defer ln.Close()
					for i, dial := range []func(network, address string) (net.Conn, error){net.Dial, lib.Dial} {
						c, err := dial(network, path)
						keep(i, c, err)
					}
				default:
					net1, address := "tcp", "127.0.0.1:0"
					for i, listen := range []func(network, address string) (net.Listener, error){net.Listen,
						lib.Listen} {
						if network == "unix listener" {
							net1, address = "unix", path+fmt.Sprint(i)
						}
						ln, err := listen(net1, address)
						keep(i, ln, err)
					}
				}
				var got [2]string
				for i, s := range sockets {
					f, err := s.File()
					if err != nil {
						t.Fatal(err)
					}
					if network != "listener" && network != "unix listener" {
						got[i] += fmt.Sprint(f.SetReadDeadline(time.Now().Add(time.Millisecond)), ";")
						_, err = f.Read(make([]byte, 1))
						got[i] += fmt.Sprint(errors.Is(err, os.ErrDeadlineExceeded), ";")
					}
					var nodelay, keepalive int
					raw, _ := f.SyscallConn()
					raw.Control(func(fd uintptr) {
						got[i] += fmt.Sprint("blocking ", blocking(t, fd), ";")
						nodelay, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY)
						keepalive, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
					})
					got[i] += fmt.Sprint("options ", nodelay, keepalive, "; blocking after Fd ", blocking(t, f.Fd()))
					if err := f.Close(); err != nil {
						t.Error(err)
					}
					if _, err := os.Stat(path); (network == "unix" || network == "unixpacket") && err != nil {
						t.Error("its path is gone:", err)
					}
				}
				if got[0] != got[1] {
					t.Errorf("net:  %s\nweir: %s", got[0], got[1])
				}
			})
		}
	})
}

// TestSocketFileOn: a connection goes on when Fd of its File has put both into blocking mode.
func TestSocketFileOn(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		a, b := pipe(t, "tcp", lib.Dial, lib.Listen)
		f, err := a.(*aio.TCPConn).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		f.Fd()
		a.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		a.SetReadDeadline(time.Time{})
		if _, err := b.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if _, err := a.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
}

// TestFileWriteStringAllocs: the bytes of a string are written from where they are.
func TestFileWriteStringAllocs(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		f, err := lib.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s := string(make([]byte, 100_000))
		n := testing.AllocsPerRun(20, func() {
			if _, err := f.WriteString(s); err != nil {
				t.Fatal(err)
			}
			f.Seek(0, io.SeekStart)
		})
		if !sys.RaceEnabled && n >= 1 {
			t.Errorf("%v allocations", n)
		}
		if n, err := f.WriteString(""); n != 0 || err != nil {
			t.Errorf("of nothing: %d, %v", n, err)
		}
	})
}

// TestReadFromUDPAllocs: ReadFromUDP allocates as much as package net's for a caller that does not
// keep the address.
func TestReadFromUDPAllocs(t *testing.T) {
	lib := open(t, aio.Options{})
	p := make([]byte, 10)
	std, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer std.Close()
	weir, err := lib.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer weir.Close()
	self := std.LocalAddr().(*net.UDPAddr).AddrPort()
	want := testing.AllocsPerRun(100, func() {
		std.WriteToUDPAddrPort(p, self)
		if _, from, err := std.ReadFromUDP(p); err != nil || from.Port != int(self.Port()) {
			t.Fatal(from, err)
		}
	})
	self = weir.LocalAddr().(*net.UDPAddr).AddrPort()
	got := testing.AllocsPerRun(100, func() {
		weir.WriteToUDPAddrPort(p, self)
		if _, from, err := weir.ReadFromUDP(p); err != nil || from.Port != int(self.Port()) || !from.IP.IsLoopback() {
			t.Fatal(from, err)
		}
	})
	if !sys.RaceEnabled && got > want {
		t.Errorf("%v allocations, package net makes %v", got, want)
	}
}

// TestStandardOutputGone: a program that writes to standard output, or error, that has no reader
// any more, ends with SIGPIPE, as one that writes to os.Stdout does, unless it ignores that signal
// (go#11845).
func TestStandardOutputGone(t *testing.T) {
	ways := map[string]func(lib *aio.IO, fd int) error{
		"File": func(lib *aio.IO, fd int) error {
			f := lib.NewFile(uintptr(fd), "std")
			defer f.Close()
			return writeOn(f.Write)
		},
		"Write": func(lib *aio.IO, fd int) error {
			return writeOn(func(p []byte) (int, error) { return lib.Write(context.Background(), fd, p) })
		},
		"Writev": func(lib *aio.IO, fd int) error {
			return writeOn(func(p []byte) (int, error) {
				return lib.Writev(context.Background(), fd, [][]byte{p[:1], p[1:]}, -1)
			})
		},
	}
	each(t, func(t *testing.T, lib *aio.IO) {
		for name, write := range ways {
			for _, fd := range []int{1, 2, 3} {
				t.Run(fmt.Sprint(name, fd), func(t *testing.T) {
					if systest.InChild(t) {
						if os.Getenv("IGNORE") != "" {
							signal.Ignore(syscall.SIGPIPE)
						}
						if err := write(lib, fd); errors.Is(err, syscall.EPIPE) {
							os.Exit(3)
						}
						os.Exit(4)
					}
					for _, ignore := range []bool{false, true} {
						cmd := systest.Command(t)
						r, w, err := os.Pipe()
						if err != nil {
							t.Fatal(err)
						}
						files := []*os.File{nil, nil, nil, nil}
						files[fd] = w
						if files[1] != nil {
							cmd.Stdout = w
						}
						cmd.Stderr = files[2]
						if files[3] != nil {
							cmd.ExtraFiles = []*os.File{w}
						}
						if ignore {
							cmd.Env = append(cmd.Env, "IGNORE=1")
						}
						if err := cmd.Start(); err != nil {
							t.Fatal(err)
						}
						w.Close()
						// but not what package testing says
						for lines := bufio.NewScanner(r); lines.Scan() && lines.Text() != "line"; {
						}
						r.Close()
						err = cmd.Wait()
						var exit *exec.ExitError
						if !errors.As(err, &exit) {
							t.Fatal("it goes on, and ends without an error")
						}
						ended := exit.Sys().(syscall.WaitStatus).Signal()
						if fd != 3 && !ignore && ended != syscall.SIGPIPE {
							t.Errorf("%v, want SIGPIPE", err)
						}
						if (fd == 3 || ignore) && exit.ExitCode() != 3 {
							t.Errorf("%v, want EPIPE", err)
						}
					}
				})
			}
		}
	})
}

// writeOn writes until that fails, or for a long time.
func writeOn(write func([]byte) (int, error)) error {
	for range 100_000 {
		if _, err := write([]byte("line\n")); err != nil {
			return err
		}
	}
	return nil
}
