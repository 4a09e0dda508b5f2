//go:build !weir_portable

package aio_test

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// A port is 16 bits, and a number that is none must not become one: 65558 was 22. The errors are
// those of package net.
func TestPortsOutOfRange(t *testing.T) {
	each(t, func(t *testing.T, w *aio.IO) {
		plain, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		u, _ := listenUDP(t, w)
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		for _, port := range []int{-1, 1 << 16, 1<<16 + 22, -5, math.MinInt32, 1<<31 - 1} {
			for _, ip := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, nil} {
				ta, ua := &net.TCPAddr{IP: ip, Port: port}, &net.UDPAddr{IP: ip, Port: port}
				same := func(what string, f, std func() error) {
					t.Helper()
					got, want := f(), std()
					if got == nil || want == nil {
						t.Fatalf("%s of %v: %v, want %v", what, ta, got, want)
					}
					if stripAddr(got.Error()) != stripAddr(want.Error()) ||
						errors.Is(got, unix.EINVAL) != errors.Is(want, unix.EINVAL) {
						t.Errorf("%s of %v: %v, want %v", what, ta, got, want)
					}
				}
				same("ListenTCP", func() error { _, err := w.ListenTCP("tcp", ta); return err },
					func() error { _, err := net.ListenTCP("tcp", ta); return err })
				same("DialTCP", func() error { _, err := w.DialTCP("tcp", nil, ta); return err },
					func() error { _, err := net.DialTCP("tcp", nil, ta); return err })
				same("ListenUDP", func() error { _, err := w.ListenUDP("udp", ua); return err },
					func() error { _, err := net.ListenUDP("udp", ua); return err })
				same("DialUDP", func() error { _, err := w.DialUDP("udp", nil, ua); return err },
					func() error { _, err := net.DialUDP("udp", nil, ua); return err })
				same("DialUDP from there", func() error {
					_,
						err := w.DialUDP("udp", ua, &net.UDPAddr{IP: ip, Port: 9})
					return err
				},
					func() error { _, err := net.DialUDP("udp", ua, &net.UDPAddr{IP: ip, Port: 9}); return err })
				same("WriteTo", func() error { _, err := u.WriteTo([]byte("x"), ua); return err },
					func() error { _, err := plain.WriteTo([]byte("x"), ua); return err })
				same("WriteMsgUDP", func() error { _, _, err := u.WriteMsgUDP([]byte("x"), nil, ua); return err },
					func() error { _, _, err := plain.WriteMsgUDP([]byte("x"), nil, ua); return err })
				if ip == nil {
					continue
				}
				for _, o := range []*op.Op{op.Connect(fd, ta), op.Bind(fd, ta), op.Connect(fd, ua)} {
					if err := w.Do(context.Background(), o); !errors.Is(err, unix.EINVAL) {
						t.Errorf("%v to %v: %v", o, ta, err)
					}
				}
			}
		}
	})
}

// stripAddr leaves out the address of the socket itself, which differs.
func stripAddr(text string) string {
	if from, to := strings.Index(text, "127.0.0.1:"), strings.Index(text, "->"); from >= 0 && to > from {
		return text[:from] + text[to:]
	}
	return text
}

// What the kernel takes 32 bits of is refused if it has more.
func TestNumbersOutOfRange(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		t.Skip("no int has more than 32 bits here")
	}
	big := math.MaxInt32
	big = big*2 + 2 // 2^32, of which 32 bits are 0
	each(t, func(t *testing.T, w *aio.IO) {
		c, _ := tcpPair(t, w)
		u, _ := listenUDP(t, w)
		f, err := w.Create(t.TempDir() + "/file")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for what, err := range map[string]error{
			"SetReadBuffer":      c.SetReadBuffer(big + 5000),
			"SetWriteBuffer":     u.SetWriteBuffer(-big),
			"SetLinger":          c.SetLinger(big),
			"SetKeepAlivePeriod": c.SetKeepAlivePeriod(time.Duration(math.MaxInt64)),
			"SetKeepAliveConfig": c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Count: big + 3}),
			"File.Chown":         f.Chown(big, -1),
			"Chown":              w.Chown(f.Name(), -1, big),
			"Chown of -2":        w.Chown(f.Name(), -2, -1),
		} {
			if !errors.Is(err, unix.EINVAL) {
				t.Errorf("%s: %v, want EINVAL", what, err)
			}
		}
		if err := f.Chown(os.Getuid(), -1); err != nil {
			t.Error(err)
		}
		if f := w.NewFile(uintptr(big)+f.Fd(), "other"); f != nil {
			t.Error("NewFile of a number beyond 32 bits is another descriptor's file")
			f.Detach() // or it is closed some time
		}
		if f, err := w.RegisterFile(big + int(f.Fd())); !errors.Is(err, unix.EBADF) {
			t.Errorf("RegisterFile: %v, want EBADF", err)
			if err == nil {
				f.Close()
			}
		}
		if _, err := w.ListenMulticastUDP("udp4", &net.Interface{Index: big + 1},
			&net.UDPAddr{IP: net.IPv4(224, 0, 0, 251)}); !errors.Is(err, unix.EINVAL) {
			t.Errorf("ListenMulticastUDP: %v, want EINVAL", err)
		}
	})
}
