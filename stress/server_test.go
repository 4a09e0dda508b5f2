package main

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Datagrams in batches come back like others. On a loop's thread, too, batches are the callers' own
// work.
func TestUDPBatch(t *testing.T) {
	needBackend(t)
	r, err := run(t.Context(), small(t, 1, 16), &udp{size: 64, batch: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 2 {
		t.Fatalf("%d rows, want 2", len(r.Rows))
	}
	for _, row := range r.Rows {
		checkRow(t, row)
	}
}

func TestHTTP(t *testing.T) {
	needBackend(t)
	if _, err := exec.LookPath("wrk"); err != nil {
		t.Skip("no wrk here:", err)
	}
	c := small(t, 1, 4)
	c.rounds, c.time = 1, time.Second
	r, err := run(t.Context(), c, &httpHello{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 2 {
		t.Fatalf("%d rows, want 2", len(r.Rows))
	}
	for _, row := range r.Rows {
		checkRow(t, row)
	}
	checkTable(t, r)
}

func TestParseWrk(t *testing.T) {
	const good = `Running 1s test @ http://127.0.0.1:35401/
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms    1.23ms  20.46ms   88.35%
    Req/Sec    39.31k     3.32k   47.52k    71.43%
  Latency Distribution
     50%  704.00us
     75%    1.30ms
     90%    2.45ms
     99%    5.87ms
  82345 requests in 1.10s, 9.50MB read
Requests/sec:  74859.12
Transfer/sec:      8.64MB
`
	f, err := parseWrk(good)
	if want := (Figures{Ops: 82345, Rate: 74859.12, P50: 704_000, P99: 5_870_000, Max: 20_460_000}); err != nil ||
		f != want {
		t.Errorf("%+v, %v, want %+v", f, err, want)
	}
	for what, out := range map[string]string{
		"errors":           good + "  Socket errors: connect 0, read 7, write 0, timeout 0\n",
		"refusals":         good + "  Non-2xx or 3xx responses: 3\n",
		"no rate":          strings.Replace(good, "Requests/sec", "Requests", 1),
		"no request":       strings.Replace(good, "82345", "0", 1),
		"no time":          strings.Replace(good, "704.00us", "a moment", 1),
		"nothing":          "",
		"a time in glyphs": strings.Replace(good, "704.00us", "704.00parsec", 1),
	} {
		if f, err := parseWrk(out); err == nil {
			t.Errorf("%s: %+v", what, f)
		}
	}
}

func TestIdle(t *testing.T) {
	needBackend(t)
	var out, errs strings.Builder
	if code := command(t.Context(), []string{"idle", "--conns=300", "--json", "--drive=auto,thread"}, &out,
		&errs); code != exitOK {
		t.Fatalf("exit code %d, %s", code, &errs)
	}
	var r idleReport
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatal(err)
	}
	if r.Conns != 300 || len(r.Sides) != 3 {
		t.Fatalf("%+v", r)
	}
	for i, want := range []string{"std ", "weir auto", "weir thread"} {
		s := r.Sides[i]
		// a goroutine takes as much
		if got := s.Name + " " + s.Drive; got != want || s.Heap < 400 || s.Heap > 20_000 || s.Stacks < 1024 {
			t.Errorf("side %d is %q: %+v, want %q", i, got, s, want)
		}
	}
	out.Reset()
	if err := r.writeTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`for each of 300 idle`, `(?m)^ +std +- +\d+ +\d+ +\d+ +x1\.00 +\d+ +\d+ +x1\.00$`,
		`(?m)^ +weir +thread +\d+ +\d+ +\d+ +x\d+\.\d\d +\d+ +\d+ +x\d+\.\d\d$`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
}

// A server that waits in Receive has no buffers: each of those of package net shows.
func TestIdleReceive(t *testing.T) {
	needBackend(t)
	var out, errs strings.Builder
	if code := command(t.Context(), []string{"idle", "--conns=300", "--json", "--receive", "--buffer=16KiB"}, &out,
		&errs); code != exitOK {
		t.Fatalf("exit code %d, %s", code, &errs)
	}
	var r idleReport
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Sides) != 2 || r.Buffer != 16<<10 || !r.Receive {
		t.Fatalf("%+v", r)
	}
	if std, weir := r.Sides[0], r.Sides[1]; std.Heap < 16<<10 || weir.Heap > 8<<10 {
		t.Errorf("%d bytes of heap for each connection of package net, and %d of weir's", std.Heap, weir.Heap)
	}
	out.Reset()
	if err := r.writeTable(&out); err != nil {
		t.Fatal(err)
	}
	if want := "a buffer of 16,384 bytes each; weir's wait in Receive, without a " +
		"buffer\n"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in\n%s", want, &out)
	}
}

// A server that cannot start says why.
func TestServerFails(t *testing.T) {
	s, err := startServer(serverSpec{Kind: "udp", Weir: true, Backend: "nonsense"}, nil)
	if err == nil {
		s.stop()
		t.Fatal("a server has started on a backend that is none")
	}
	if !strings.Contains(err.Error(), `no backend is called "nonsense"`) {
		t.Errorf("%v", err)
	}
}

// Whether clients sleep or not, an answer that is lost ends a run in place of holding it up, and so
// does a server that is gone.
func TestLostAnswer(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, on := range []*cpus{nil, {}} {
		conn, err := (&udp{on: on}).dial(silent.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		switch c := conn.(type) {
		case impatient:
			c.loss = 10 * time.Millisecond
			conn = c
		case sleepless:
			c.loss = 10 * time.Millisecond
			conn = c
		}
		if err := exchange(conn, 64, 1)(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%T: nobody answers: %v", conn, err)
		}
	}
	conn, err := (&udp{on: &cpus{}}).dial(silent.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	silent.Close()
	if err := exchange(conn, 64, 1)(); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("nobody is there: %v", err)
	}
}
