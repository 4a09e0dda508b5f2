package target

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/stress/faulty"
	"github.com/weirgo/weir/stress/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var plain Dial = new(net.Dialer).DialContext

// under puts a target under a short load.
func under(t *testing.T, s Starter, lane load.Lane) load.PhaseResult {
	t.Helper()
	r, err := load.Run(t.Context(), load.Config{Workers: 3, Start: s.Start, Lane: lane,
		Phases: []load.Phase{{Name: "load", Time: 60 * time.Millisecond, Schedule: load.Constant(500),
			Drain: time.Minute}}})
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Phases[0]; p.Due != 30 || p.Unserved+p.Unfinished > 0 {
		t.Errorf("%d due, %d unserved, %d unfinished, want 30, 0, 0", p.Due, p.Unserved, p.Unfinished)
	}
	return r.Phases[0]
}

func listen(t *testing.T, network string) net.Listener {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "socket")
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// Streams of messages, on weir's goroutines and coroutines and on package net, come back right.
func TestMessages(t *testing.T) {
	weir, err := aio.New(aio.Options{})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	defer weir.Close()
	lane, err := NewCoroutines(weir)
	if err != nil {
		t.Fatal(err)
	}
	defer lane.Close()
	for _, network := range []string{"tcp", "unix"} {
		srv := faulty.Serve(listen(t, network), faulty.Options{Size: 100})
		defer srv.Close()
		for name, on := range map[string]struct {
			dial Dial
			lane load.Lane
		}{"net": {plain, nil}, "weir": {weir.DialContext, nil}, "coroutines": {lane.Dial, lane}} {
			for _, m := range []Messages{{}, {Pipeline: 10}, {Fresh: true}} {
				m.Dial, m.Network, m.Address, m.Size, m.Timeout = on.dial, network, srv.Addr().String(), 100, time.Minute
				m.Ledger = load.NewLedger(load.LedgerOptions{Ordered: true})
				p := under(t, &m, on.lane)
				a := m.Ledger.Accounts()
				if want := uint64(30 * max(1, m.Pipeline)); p.Ops != 30 || a.Right != want || a.Sent != want ||
					m.Ledger.Err() != nil {
					t.Errorf("%s, %s, %d at once: %d done, %v, accounts %+v, %v", name, network, m.Pipeline, p.Ops,
						p.Kinds, a, m.Ledger.Err())
				}
			}
		}
	}
}

// A server that makes a mistake makes operations fail, by the kind that the mistake has.
func TestFaults(t *testing.T) {
	kinds := map[faulty.Fault]string{
		faulty.Lost: "lost answer", faulty.Silent: "lost answer", faulty.Doubled: "doubled answer",
		faulty.Changed: "changed answer", faulty.Late: "late answer", faulty.Reordered: "reordered answer",
		faulty.Closed: "EOF",
	}
	for f, kind := range kinds {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			srv := faulty.Serve(listen(t, "tcp"), faulty.Options{Size: 64, Fault: f, After: 3, Delay: 30 * time.Millisecond})
			defer srv.Close()
			o := load.LedgerOptions{Ordered: true}
			m := &Messages{Dial: plain, Network: "tcp", Address: srv.Addr().String(), Size: 64, Timeout: time.Minute}
			switch f {
			case faulty.Lost, faulty.Silent:
				m.Timeout = 50 * time.Millisecond
			case faulty.Late:
				o.Late = 20 * time.Millisecond
			case faulty.Reordered:
				m.Pipeline = 8
			}
			m.Ledger = load.NewLedger(o)
			if p := under(t, m, nil); p.Kinds[kind] == 0 {
				t.Errorf("%s: %d done, errors %v, want some of %q", f, p.Ops, p.Kinds, kind)
			}
		})
	}
}

// Datagrams: what is right passes, and what is wrong has its kind.
func TestPackets(t *testing.T) {
	for f, kind := range map[faulty.Fault]string{
		faulty.None: "", faulty.Lost: "lost answer", faulty.Doubled: "doubled answer", faulty.Changed: "changed answer",
	} {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := faulty.ServePacket(pc, faulty.Options{Fault: f, After: 7})
		p := &Packets{Dial: plain, Network: "udp", Address: srv.Addr().String(), Size: 64, Timeout: time.Minute,
			Ledger: load.NewLedger(load.LedgerOptions{Lossy: true})}
		if f == faulty.Lost {
			p.Timeout = 50 * time.Millisecond
		}
		r := under(t, p, nil)
		if kind == "" && (r.Ops != 30 || r.Errors > 0) || kind != "" && r.Kinds[kind] == 0 {
			t.Errorf("%q: %d done, errors %v, want %q", f, r.Ops, r.Kinds, kind)
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	}
}

// HTTP in both versions, with and without TLS; what is not right is an error.
func TestHTTP(t *testing.T) {
	var n atomic.Int64
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/bad":
			w.WriteHeader(http.StatusTeapot)
		case "/changing":
			fmt.Fprint(w, n.Add(1))
		default:
			fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Header.Get("X-Test"), body, r.Proto)
		}
	})
	for _, secure := range []bool{false, true} {
		srv := httptest.NewUnstartedServer(h)
		srv.Config.Protocols = new(http.Protocols)
		srv.Config.Protocols.SetHTTP1(true)
		srv.Config.Protocols.SetHTTP2(true)
		srv.Config.Protocols.SetUnencryptedHTTP2(true)
		if srv.EnableHTTP2 = true; secure {
			srv.StartTLS()
		} else {
			srv.Start()
		}
		for _, c := range []struct {
			h    HTTP
			path string
			kind string
		}{
			{HTTP{Version: 1}, "/", ""}, {HTTP{Version: 2}, "/", ""}, {HTTP{}, "/", ""}, {HTTP{Fresh: true}, "/", ""},
			{HTTP{Method: "POST", Body: []byte("text"), Header: http.Header{"X-Test": {"1"}}, Same: true}, "/", ""},
			{HTTP{Status: http.StatusTeapot}, "/bad", ""}, {HTTP{}, "/bad", "status 418"},
			{HTTP{Status: 204}, "/", "status 200"}, {HTTP{Same: true}, "/changing", "changed answer"},
		} {
			c.h.URL, c.h.Insecure, c.h.Timeout, c.h.Dial = srv.URL+c.path, true, time.Minute, plain
			r := under(t, &c.h, nil)
			if c.kind == "" && (r.Ops != 30 || r.Errors > 0) || c.kind != "" && r.Kinds[c.kind] == 0 {
				t.Errorf("TLS %v, %+v: %d done, errors %v, want %q", secure, c.h, r.Ops, r.Kinds, c.kind)
			}
		}
		srv.Close()
	}
	for _, u := range []string{"", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:bad/"} {
		if _, err := (&HTTP{URL: u}).Start(t.Context(), 0); err == nil {
			t.Errorf("the URL %q is taken", u)
		}
	}
}

// A protocol of lines and Redis's, by templates.
func TestLines(t *testing.T) {
	serve := func(answer func(r *bufio.Reader) (string, error)) net.Listener {
		ln := listen(t, "tcp")
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					for r := bufio.NewReader(c); ; {
						text, err := answer(r)
						if err != nil {
							return
						}
						io.WriteString(c, text)
					}
				}()
			}
		}()
		return ln
	}
	lines := serve(func(r *bufio.Reader) (string, error) {
		line, err := r.ReadString('\n')
		return strings.ToUpper(line), err
	})
	defer lines.Close()
	redis := serve(func(r *bufio.Reader) (string, error) {
		text, err := reply(r, 0) // a command is a list of strings
		switch word, rest, _ := strings.Cut(text, " "); word {
		case "ECHO":
			return fmt.Sprintf("$%d\r\n%s\r\n", len(rest), rest), err
		case "LIST":
			return "*3\r\n:1\r\n$-1\r\n+x\r\n", err
		case "GARBAGE":
			return "?\r\n", err
		}
		return "-ERR unknown command\r\n", err
	})
	defer redis.Close()
	for _, c := range []struct {
		redis               bool
		request, want, kind string
	}{
		{false, "hello {{.N}} of {{.Worker}}", "HELLO {{.N}} OF {{.Worker}}", ""},
		{false, "hello", "", ""},
		{false, "hello", "hello", "changed answer"},
		{true, "ECHO a{{.Random}}", "a{{.Random}}", ""},
		{true, "LIST", "1 (nil) x", ""},
		{true, "FLY", "", "reply: ERR unknown command"},
		{true, "GARBAGE", "", `not a reply of Redis: "?"`},
	} {
		l := &Lines{Dial: plain, Network: "tcp", Address: lines.Addr().String(), Redis: c.redis, Request: c.request,
			Want: c.want, Timeout: time.Minute}
		if c.redis {
			l.Address = redis.Addr().String()
		}
		r := under(t, l, nil)
		if c.kind == "" && (r.Ops != 30 || r.Errors > 0) || c.kind != "" && r.Kinds[c.kind] != 30 {
			t.Errorf("%q: %d done, errors %v, want %q", c.request, r.Ops, r.Kinds, c.kind)
		}
	}
	if _, err := (&Lines{Request: "{{"}).Start(t.Context(), 0); err == nil {
		t.Error("a template that is none is taken")
	}
}

// Sizes that would have a service wait for its client, and the client for it, are not taken.
func TestSizes(t *testing.T) {
	for _, m := range []Messages{{Size: 8}, {Size: 1 << 20}, {Size: 1 << 10, Pipeline: 100}} {
		if _, err := m.Start(context.Background(), 0); err == nil {
			t.Errorf("%d messages of %d bytes are taken", m.Pipeline, m.Size)
		}
	}
}
