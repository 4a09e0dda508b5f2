package aio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// resolver answers every question with the given addresses. It ends with the test.
func resolver(t *testing.T, ips ...string) *net.Resolver {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		buf := make([]byte, 2000)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}
			for _, ip := range ips {
				switch a := netip.MustParseAddr(ip); {
				case a.Is4() && q.Type == dnsmessage.TypeA:
					m.Answers = append(m.Answers, dnsmessage.Resource{Header: h,
						Body: &dnsmessage.AResource{A: a.As4()}})
				case a.Is6() && q.Type == dnsmessage.TypeAAAA:
					m.Answers = append(m.Answers, dnsmessage.Resource{Header: h,
						Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
				}
			}
			if b, err := m.Pack(); err == nil {
				server.WriteTo(b, from)
			}
		}
	}()
	t.Cleanup(func() { server.Close(); wg.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("udp", server.LocalAddr().String())
	}}
}

// both listens on the same port of both families.
func both(t *testing.T, io *aio.IO) (v4, v6 net.Listener, port int) {
	for range 100 {
		v4, err := io.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := v4.Addr().(*net.TCPAddr).Port
		if v6, err := io.Listen("tcp6", fmt.Sprintf("[::1]:%d", port)); err == nil {
			t.Cleanup(func() { v4.Close(); v6.Close() })
			return v4, v6, port
		} else if !errors.Is(err, unix.EADDRINUSE) {
			v4.Close()
			t.Skip("no IPv6 here:", err)
		}
		v4.Close()
	}
	t.Fatal("no port is free in both families")
	return nil, nil, 0
}

// RFC 6555: the second family has its chance when the first takes long, or fails.
func TestHappyEyeballs(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		v4, v6, port := both(t, io)
		names := resolver(t, "127.0.0.1", "::1")
		address := fmt.Sprintf("name.test:%d", port)
		var mu sync.Mutex
		var tried []string
		stuck := make(chan error, 2)
		d := &aio.Dialer{IO: io, Resolver: names, FallbackDelay: time.Hour}
		note := func(network string) {
			mu.Lock()
			tried = append(tried, network)
			mu.Unlock()
		}
		d.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
			note(network)
			return nil
		}
		connect := func(want string) {
			t.Helper()
			tried = nil
			c, err := d.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(tried, " "); got != want {
				t.Errorf("tried %q, want %q", got, want)
			}
		}
		connect("tcp6") // the first family wins, and the other is not even tried

		d.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
			note(network)
			if network == "tcp6" { // as if the peer did not answer
				<-ctx.Done()
				stuck <- ctx.Err()
				return ctx.Err()
			}
			return nil
		}
		d.FallbackDelay = time.Millisecond
		connect("tcp6 tcp4")
		if err := <-stuck; err != context.Canceled {
			t.Errorf("the loser ends with %v", err)
		}

		d.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
			note(network)
			return nil
		}
		v6.Close()
		d.FallbackDelay = time.Hour // a failure does not wait for it
		connect("tcp6 tcp4")
		d.FallbackDelay = -1
		connect("tcp6 tcp4") // one after the other
		v4.Close()
		_, got := d.Dial("tcp", address)
		_, want := (&net.Dialer{Resolver: names}).Dial("tcp", address)
		sameError(t, got, want)
		if got != nil && want != nil && got.Error() != want.Error() {
			t.Errorf("the error is %q, package net's %q", got, want)
		}
	})
}

// The limits of a Dialer: its timeout, its deadline, its channel, the context.
func TestDialerLimits(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		ln := listen(t, io)
		wait := func(ctx context.Context, network, address string, c syscall.RawConn) error {
			<-ctx.Done()
			return ctx.Err()
		}
		for name, limit := range map[string]func(a *aio.Dialer, n *net.Dialer){
			"timeout": func(a *aio.Dialer, n *net.Dialer) {
				a.Timeout, n.Timeout = 5*time.Millisecond,
					5*time.Millisecond
			},
			"negative timeout": func(a *aio.Dialer, n *net.Dialer) { a.Timeout, n.Timeout = -1, -1 },
			"deadline": func(a *aio.Dialer, n *net.Dialer) {
				a.Deadline, n.Deadline = time.Unix(1, 0),
					time.Unix(1, 0)
			},
			"cancel": func(a *aio.Dialer, n *net.Dialer) {
				ch := make(chan struct{})
				//lint:ignore SA1019 it is deprecated, and there
				a.Cancel, n.Cancel = ch, ch
				time.AfterFunc(5*time.Millisecond, func() { close(ch) })
			},
		} {
			a, n := &aio.Dialer{IO: io, ControlContext: wait}, &net.Dialer{ControlContext: wait}
			limit(a, n)
			_, got := a.Dial("tcp", ln.Addr().String())
			_, want := n.Dial("tcp", ln.Addr().String())
			t.Run(name, func(t *testing.T) { sameError(t, got, want) })
		}
		refuse := errors.New("refused by Control")
		_, err := (&aio.Dialer{IO: io, Control: func(string, string,
			syscall.RawConn) error {
			return refuse
		}}).Dial("tcp", ln.Addr().String())
		if !errors.Is(err, refuse) {
			t.Errorf("Control's error became %v", err)
		}
		_, err = (&aio.ListenConfig{IO: io, Control: func(string, string,
			syscall.RawConn) error {
			return refuse
		}}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if !errors.Is(err, refuse) {
			t.Errorf("Control's error became %v", err)
		}
	})
}

// What Control functions are told, where sockets are bound, and the options that they end up with:
// all as in package net.
func TestSocketsLikeNet(t *testing.T) {
	options := func(c syscall.Conn) string {
		raw, err := c.SyscallConn()
		if err != nil {
			return err.Error()
		}
		var s []string
		raw.Control(func(fd uintptr) {
			for _, o := range []struct {
				name     string
				level, n int
			}{
				{"TYPE", unix.SOL_SOCKET, unix.SO_TYPE}, {"PROTOCOL", unix.SOL_SOCKET, unix.SO_PROTOCOL},
				{"DOMAIN", unix.SOL_SOCKET, unix.SO_DOMAIN}, {"KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE},
				{"REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR}, {"BROADCAST", unix.SOL_SOCKET, unix.SO_BROADCAST},
				{"LINGER", unix.SOL_SOCKET, unix.SO_LINGER}, {"V6ONLY", unix.IPPROTO_IPV6, unix.IPV6_V6ONLY},
				{"NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY}, {"IDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
				{"INTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}, {"CNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
			} {
				v, err := unix.GetsockoptInt(int(fd), o.level, o.n)
				s = append(s, fmt.Sprint(o.name, " ", v, " ", err))
			}
		})
		return strings.Join(s, ", ")
	}
	type tcp interface {
		net.Conn
		syscall.Conn
		SetKeepAlive(bool) error
		SetKeepAlivePeriod(time.Duration) error
		SetKeepAliveConfig(net.KeepAliveConfig) error
		SetNoDelay(bool) error
		SetLinger(int) error
		MultipathTCP() (bool, error)
	}
	var _, _ tcp = (*net.TCPConn)(nil), (*aio.TCPConn)(nil)
	type config struct {
		period time.Duration
		cfg    net.KeepAliveConfig
		mptcp  int // 0: as it is, 1: on, -1: off
		local  net.Addr
	}
	each(t, func(t *testing.T, io *aio.IO) {
		for _, network := range []string{"tcp", "tcp4", "tcp6"} {
			for _, cfg := range []config{
				{}, {period: -1}, {period: 1500 * time.Millisecond}, {mptcp: 1}, {mptcp: -1},
				{cfg: net.KeepAliveConfig{Enable: true, Idle: 7 * time.Second, Interval: -1, Count: 3}},
				{period: -1, cfg: net.KeepAliveConfig{Enable: true}},
				{local: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}},
				{local: &net.UDPAddr{}}, {local: &net.UnixAddr{Name: "x", Net: "unix"}},
			} {
				run := func(
					listen func(control func(network, address string, c syscall.RawConn) error) (net.Listener, error),
					dial func(control func(network, address string, c syscall.RawConn) error, address string) (net.Conn,
						error),
				) (notes []string) {
					control := func(network, address string, c syscall.RawConn) error {
						host, _, _ := net.SplitHostPort(address)
						notes = append(notes, network+" "+host)
						return c.Control(func(uintptr) {})
					}
					ln, err := listen(control)
					if err != nil {
						return append(notes, describeError(err))
					}
					defer ln.Close()
					notes = append(notes, options(ln.(syscall.Conn)), ln.Addr().Network(),
						ln.Addr().(*net.TCPAddr).IP.String())
					address := fmt.Sprintf("127.0.0.1:%d", ln.Addr().(*net.TCPAddr).Port)
					if network == "tcp6" {
						address = fmt.Sprintf("[::1]:%d", ln.Addr().(*net.TCPAddr).Port)
					}
					c, err := dial(control, address)
					if err != nil {
						return append(notes, describeError(err))
					}
					defer c.Close()
					a, err := ln.Accept()
					if err != nil {
						return append(notes, describeError(err))
					}
					defer a.Close()
					for _, c := range []tcp{c.(tcp), a.(tcp)} {
						multi, err := c.MultipathTCP()
						notes = append(notes, options(c), fmt.Sprint(multi, err),
							fmt.Sprintf("%#v", c.RemoteAddr().(*net.TCPAddr).IP),
							c.LocalAddr().(*net.TCPAddr).IP.String())
					}
					x := a.(tcp)
					for _, err := range []error{
						x.SetKeepAlive(false), x.SetKeepAlivePeriod(21 * time.Second), x.SetNoDelay(false),
						x.SetLinger(5),
					} {
						if err != nil {
							notes = append(notes, describeError(err))
						}
					}
					notes = append(notes, options(x))
					x.SetKeepAlivePeriod(0)
					x.SetLinger(-1)
					x.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Interval: 33 * time.Second, Count: -1})
					return append(notes, options(x))
				}
				nl, al := &net.ListenConfig{KeepAlive: cfg.period, KeepAliveConfig: cfg.cfg},
					&aio.ListenConfig{IO: io, KeepAlive: cfg.period, KeepAliveConfig: cfg.cfg}
				nd, ad := &net.Dialer{KeepAlive: cfg.period, KeepAliveConfig: cfg.cfg, LocalAddr: cfg.local},
					&aio.Dialer{IO: io, KeepAlive: cfg.period, KeepAliveConfig: cfg.cfg, LocalAddr: cfg.local}
				if cfg.mptcp != 0 {
					for _, x := range []interface{ SetMultipathTCP(bool) }{nl, al, nd, ad} {
						x.SetMultipathTCP(cfg.mptcp > 0)
					}
				}
				if nl.MultipathTCP() != al.MultipathTCP() || nd.MultipathTCP() != ad.MultipathTCP() {
					t.Errorf("MultipathTCP differs: %v %v %v %v", nl.MultipathTCP(), al.MultipathTCP(),
						nd.MultipathTCP(), ad.MultipathTCP())
				}
				type control = func(network, address string, c syscall.RawConn) error
				want := run(func(c control) (net.Listener, error) {
					nl.Control = c
					return nl.Listen(context.Background(), network, ":0")
				}, func(c control, address string) (net.Conn, error) {
					nd.Control = c
					return nd.Dial(network, address)
				})
				got := run(func(c control) (net.Listener, error) {
					al.Control = c
					return al.Listen(context.Background(), network, ":0")
				}, func(c control, address string) (net.Conn, error) {
					ad.Control = c
					return ad.Dial(network, address)
				})
				for i := range max(len(got), len(want)) {
					if i >= len(got) || i >= len(want) || got[i] != want[i] {
						t.Errorf("%s %+v: note %d differs\n got %q\nwant %q", network, cfg, i, got, want)
						break
					}
				}
			}
		}
	})
}

// The methods of Dialer that take addresses, which package net has since Go 1.26.
func TestDialerTyped(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		ctx := context.Background()
		d := &aio.Dialer{IO: io}
		ln := listen(t, io)
		c, err := d.DialTCP(ctx, "tcp", netip.AddrPort{}, ln.Addr().(*net.TCPAddr).AddrPort())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		u, err := d.DialUDP(ctx, "udp", netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("127.0.0.1:9"))
		if err != nil {
			t.Fatal(err)
		}
		if u.LocalAddr().(*net.UDPAddr).IP.String() != "127.0.0.1" || u.RemoteAddr().String() != "127.0.0.1:9" {
			t.Errorf("addresses %v, %v", u.LocalAddr(), u.RemoteAddr())
		}
		u.Close()
		if _, err := d.DialUnix(ctx, "unix", nil, &net.UnixAddr{Name: "/none", Net: "unix"}); !errors.Is(err,
			unix.ENOENT) {
			t.Errorf("DialUnix: %v", err)
		}
		if _, err := d.DialTCP(ctx, "udp", netip.AddrPort{}, netip.AddrPort{}); err == nil {
			t.Error("DialTCP of network udp works")
		}
		if ip, err := d.DialIP(ctx, "ip4:icmp", netip.Addr{}, netip.MustParseAddr("127.0.0.1")); err == nil {
			ip.Close()
		} else if !errors.Is(err, unix.EPERM) {
			t.Error(err)
		}
	})
}

// inNamespace runs f, which must not start goroutines that make sockets, in a network namespace of
// its own, with a network that loses everything sent to 192.0.2.0/24. No other address has a route.
func inNamespace(t *testing.T, f func()) {
	done := make(chan string)
	go func() {
		runtime.LockOSThread() // for good: the thread must not run other goroutines
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- "no network namespace: " + err.Error()
			return
		}
		for _, args := range []string{"link set lo up", "addr add 192.0.2.1/32 dev lo",
			"route add 192.0.2.0/24 dev lo"} {
			if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
				done <- fmt.Sprintf("ip %s: %v %s", args, err, out)
				return
			}
		}
		f()
		done <- ""
	}()
	if why := <-done; why != "" {
		t.Skip(why)
	}
}

// The peer does not answer: dialing ends at its limits and not before; without a route it fails at
// once.
func TestBlackHole(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		inNamespace(t, func() {
			const nobody = "192.0.2.9:80"
			_, got := io.Dial("tcp", "198.51.100.1:80")
			_, want := net.Dial("tcp", "198.51.100.1:80")
			if !errors.Is(got, unix.ENETUNREACH) {
				t.Errorf("without a route: %v", got)
			}
			sameError(t, got, want)
			_, got = io.DialTimeout("tcp", nobody, 20*time.Millisecond)
			var timeout net.Error // package net's is sometimes os.ErrDeadlineExceeded, and sometimes this
			if ownTypes && !errors.Is(got, context.DeadlineExceeded) || !errors.As(got, &timeout) ||
				!timeout.Timeout() {
				t.Errorf("out of time: %v", got)
			}
			cancelled := func(dial func(ctx context.Context, network, address string) (net.Conn, error)) error {
				ctx, cancel := context.WithCancel(context.Background())
				time.AfterFunc(20*time.Millisecond, cancel)
				_, err := dial(ctx, "tcp", nobody)
				return err
			}
			sameError(t, cancelled(io.DialContext), cancelled(new(net.Dialer).DialContext))
		})
	})
}
