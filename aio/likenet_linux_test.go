package aio_test

import (
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

// stack is package net, or an IO: where a script runs.
type stack struct {
	dial         func(network, address string) (net.Conn, error)
	listen       func(network, address string) (net.Listener, error)
	listenPacket func(network, address string) (net.PacketConn, error)
	dialUDP      func(network string, laddr, raddr *net.UDPAddr) (udpConn, error)
	listenUDP    func(network string, laddr *net.UDPAddr) (udpConn, error)
	dialUnix     func(network string, laddr, raddr *net.UnixAddr) (unixConn, error)
	listenUnix   func(network string, laddr *net.UnixAddr) (unixListener, error)
	unixgram     func(network string, laddr *net.UnixAddr) (unixConn, error)
	listenTCP    func(network string, laddr *net.TCPAddr) (net.Listener, error)
	dialTCP      func(network string, laddr, raddr *net.TCPAddr) (net.Conn, error)
	multicast    func(network string, ifi *net.Interface, gaddr *net.UDPAddr) (udpConn, error)
	fileConn     func(f *os.File) (net.Conn, error)
	fileListener func(f *os.File) (net.Listener, error)
	filePacket   func(f *os.File) (net.PacketConn, error)
}

// udpConn, unixConn and unixListener are spelled out: what both packages have.
type udpConn interface {
	net.Conn
	net.PacketConn
	syscall.Conn
	File() (*os.File, error)
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
	ReadFromUDP(b []byte) (int, *net.UDPAddr, error)
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
	ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, addr netip.AddrPort, err error)
	WriteToUDP(b []byte, addr *net.UDPAddr) (int, error)
	WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
	WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
	WriteMsgUDPAddrPort(b, oob []byte, addr netip.AddrPort) (n, oobn int, err error)
}

type unixConn interface {
	net.Conn
	net.PacketConn
	syscall.Conn
	File() (*os.File, error)
	CloseRead() error
	CloseWrite() error
	ReadFromUnix(b []byte) (int, *net.UnixAddr, error)
	ReadMsgUnix(b, oob []byte) (n, oobn, flags int, addr *net.UnixAddr, err error)
	WriteToUnix(b []byte, addr *net.UnixAddr) (int, error)
	WriteMsgUnix(b, oob []byte, addr *net.UnixAddr) (n, oobn int, err error)
}

type unixListener interface {
	net.Listener
	syscall.Conn
	File() (*os.File, error)
	SetDeadline(time.Time) error
	SetUnlinkOnClose(unlink bool)
}

var (
	_, _ udpConn      = (*net.UDPConn)(nil), (*aio.UDPConn)(nil)
	_, _ unixConn     = (*net.UnixConn)(nil), (*aio.UnixConn)(nil)
	_, _ unixListener = (*net.UnixListener)(nil), (*aio.UnixListener)(nil)
)

func as[I any, A ~func(P, Q) (T, error), P, Q, T any](f A) func(P, Q) (I, error) {
	return func(p P, q Q) (I, error) {
		t, err := f(p, q)
		if err != nil {
			return *new(I), err
		}
		return any(t).(I), nil
	}
}

func as3[I any, A ~func(P, Q, R) (T, error), P, Q, R, T any](f A) func(P, Q, R) (I, error) {
	return func(p P, q Q, r R) (I, error) {
		t, err := f(p, q, r)
		if err != nil {
			return *new(I), err
		}
		return any(t).(I), nil
	}
}

var netStack = stack{
	net.Dial, net.Listen, net.ListenPacket,
	as3[udpConn](net.DialUDP), as[udpConn](net.ListenUDP),
	as3[unixConn](net.DialUnix), as[unixListener](net.ListenUnix), as[unixConn](net.ListenUnixgram),
	as[net.Listener](net.ListenTCP), as3[net.Conn](net.DialTCP), as3[udpConn](net.ListenMulticastUDP),
	net.FileConn, net.FileListener, net.FilePacketConn,
}

func stackOf(io *aio.IO) stack {
	return stack{
		io.Dial, io.Listen, io.ListenPacket,
		as3[udpConn](io.DialUDP), as[udpConn](io.ListenUDP),
		as3[unixConn](io.DialUnix), as[unixListener](io.ListenUnix), as[unixConn](io.ListenUnixgram),
		as[net.Listener](io.ListenTCP), as3[net.Conn](io.DialTCP), as3[udpConn](io.ListenMulticastUDP),
		io.FileConn, io.FileListener, io.FilePacketConn,
	}
}

// record is what a script noticed.
type record struct {
	t    testing.TB
	dir  string // of this run; left out of what is noted
	what []string
}

// note notes a result: errors by what programs ask of them, the rest as it is. Ports differ and are
// left out.
func (r *record) note(label string, values ...any) {
	for i, v := range values {
		switch v := v.(type) {
		case error:
			values[i] = describeError(v)
		case []byte:
			values[i] = string(v)
		case *net.UDPAddr:
			if v != nil {
				values[i] = "udp " + v.IP.String() + reflect.TypeOf(v).String() + " " + string(rune('0'+len(v.IP)/4))
			}
		case *net.TCPAddr:
			if v != nil {
				values[i] = "tcp " + v.IP.String() + " " + string(rune('0'+len(v.IP)/4))
			}
		case *net.UnixAddr:
			if v != nil {
				values[i] = "unix " + v.Net + " " + v.Name
			}
		case netip.AddrPort:
			values[i] = v.Addr().String()
		}
	}
	r.what = append(r.what, label+": "+strings.ReplaceAll(sprint(values), r.dir, "DIR"))
}

func (r *record) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// The same script notices the same things on package net and on weir.
func TestScriptsLikeNet(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		for name, script := range scripts {
			t.Run(name, func(t *testing.T) {
				run := func(s stack) []string {
					dir, err := os.MkdirTemp("", "w")
					if err != nil {
						t.Fatal(err)
					}
					defer os.RemoveAll(dir)
					r := &record{t: t, dir: dir}
					script(r, s)
					return r.what
				}
				got, want := run(stackOf(io)), run(netStack)
				if len(got) != len(want) {
					t.Fatalf("%d notes, package net %d", len(got), len(want))
				}
				for i := range got {
					if got[i] != want[i] {
						t.Errorf("differs from package net's\n got %s\nwant %s", got[i], want[i])
					}
				}
			})
		}
	})
}
