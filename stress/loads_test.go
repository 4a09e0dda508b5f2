package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirgo/weir/stress/faulty"
	"github.com/weirgo/weir/stress/report"
)

// call runs the program.
func call(t *testing.T, line string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	code = command(t.Context(), strings.Fields(line), &o, &e)
	return code, o.String(), e.String()
}

// serving is an echo server on net for the test.
func serving(t *testing.T, network string, o faulty.Options) string {
	t.Helper()
	var srv *faulty.Server
	switch network {
	case "udp":
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv = faulty.ServePacket(pc, o)
	default:
		address := "127.0.0.1:0"
		if network == "unix" {
			address = filepath.Join(t.TempDir(), "s")
		}
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		srv = faulty.Serve(ln, o)
	}
	t.Cleanup(func() { srv.Close() })
	return srv.Addr().String()
}

const shortLoad = " --workers=2 --for=50ms --warmup=5ms --interval=10ms --seed=5 --timeout=20s"

// Load on servers that answer rightly: each target, side and lane.
func TestLoads(t *testing.T) {
	needBackend(t)
	tcp, unix := serving(t, "tcp", faulty.Options{Size: 64}), serving(t, "unix", faulty.Options{Size: 64})
	udp := serving(t, "udp", faulty.Options{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	defer web.Close()
	for _, line := range []string{
		"echo --addr=" + tcp, "echo --side=net --rate=300 --addr=" + tcp, "echo --lane=coroutines --pipeline=4 --addr=" + tcp,
		"echo --rate=300 --arrivals=poisson --lane=coroutines --addr=" + tcp, "echo --ramp=10-500 --addr=" + tcp,
		"echo --steps=100,200 --fresh --addr=" + tcp, "unix --addr=" + unix, "udp --rate=300 --addr=" + udp,
		"http --same --version=1 --url=" + web.URL, "http --side=net --rate=200 --url=" + web.URL,
		"line --addr=" + tcp + " --request=" + strings.Repeat("x", 63) + " --want=" + strings.Repeat("x", 63),
	} {
		code, out, errs := call(t, line+shortLoad)
		if code != exitOK || !strings.Contains(out, "ops/s") || !strings.Contains(out, "p99.99") {
			t.Errorf("%s: exit code %d, %s%s", line, code, out, errs)
		}
	}
}

// A server that makes a mistake has the program fail and say which.
func TestLoadFinds(t *testing.T) {
	needBackend(t)
	for f, want := range map[faulty.Fault]string{faulty.Changed: "changed answer", faulty.Doubled: "doubled answer",
		faulty.Closed: "operations failed", faulty.Reordered: "reordered answer"} {
		addr := serving(t, "tcp", faulty.Options{Size: 64, Fault: f, After: 4})
		line := "echo --addr=" + addr
		if f == faulty.Reordered {
			line += " --pipeline=10"
		}
		code, out, errs := call(t, line+shortLoad)
		if code != exitFailed || !strings.Contains(errs+out, want) {
			t.Errorf("%s: exit code %d, %s%s", f, code, out, errs)
		}
	}
	addr := serving(t, "tcp", faulty.Options{Size: 64, Fault: faulty.Closed, After: 4})
	if code, out, errs := call(t, "echo --tolerate=1 --addr="+addr+shortLoad); code != exitOK {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
}

// Reports are written in each format, and two of them compared; the search for a limit ends.
func TestReports(t *testing.T) {
	needBackend(t)
	dir, addr := t.TempDir(), serving(t, "tcp", faulty.Options{Size: 64})
	var outs []string
	for _, f := range report.Formats {
		outs = append(outs, filepath.Join(dir, "a."+f))
	}
	for _, line := range []string{
		"echo --rate=200 --addr=" + addr + " --out=" + strings.Join(outs, ","),
		"echo --rate=200 --addr=" + addr + " --out=" + filepath.Join(dir, "b.json"),
	} {
		if code, _, errs := call(t, line+shortLoad); code != exitOK {
			t.Fatalf("%s: exit code %d, %s", line, code, errs)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != len(outs)+1 {
		t.Errorf("%d files, %v; want %d", len(left), err, len(outs)+1)
	}
	code, out, errs := call(t, "compare "+filepath.Join(dir, "a.json")+" "+filepath.Join(dir, "b.json"))
	if code != exitOK || !strings.Contains(out, "p99-ns") || !strings.Contains(out, "±") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	code, out, errs = call(t, "echo --addr="+addr+" --workers=2 --for=5ms --rate=50 --find-limit=p50=1ns")
	if code != exitOK || !strings.Contains(out, "No rate met the goal") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
}

func TestBadLoads(t *testing.T) {
	for line, want := range map[string]string{
		"echo --addr=127.0.0.1:1 --out=x.pdf":                      ".html",
		"echo --addr=127.0.0.1:1 --ramp=fast":                      "--ramp",
		"echo --addr=127.0.0.1:1 --find-limit=fast":                "--find-limit",
		"echo --addr=127.0.0.1:1 --side=net --lane=coroutines":     "package net has none",
		"echo --addr=127.0.0.1:1 --rate=-1e12 --steps=-1":          "rate",
		"echo --addr=127.0.0.1:1 --size=3":                         "3 bytes",
		"http --url=http://127.0.0.1:1/ --lane=coroutines":         "goroutines",
		"http --url=nonsense":                                      "nonsense",
		"http --url=http://127.0.0.1:1/ --header=nonsense":         "--header",
		"serve --fault=nonsense":                                   "nonsense",
		"compare /nonexistent /nonexistent":                        "no such file",
		"echo --addr=127.0.0.1:1 --side=net --workers=1 --for=1ns": "millisecond",
	} {
		if code, _, errs := call(t, line); code != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d, %s", line, code, errs)
		}
	}
}

// An interrupted load keeps what it has.
func TestLoadInterrupted(t *testing.T) {
	addr, file := serving(t, "tcp", faulty.Options{Size: 64}), filepath.Join(t.TempDir(), "r.json")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var out, errs strings.Builder
	code := command(ctx, strings.Fields("echo --side=net --warmup=1ms --workers=2 --for=1h --addr="+addr+" --out="+file), &out,
		&errs)
	d, err := report.ReadFile(file)
	if code != exitInterrupted || err != nil || !d.Interrupted || !strings.Contains(out.String(), "Interrupted") {
		t.Errorf("exit code %d, %v, %s%s", code, err, &out, &errs)
	}
}

// serve says where it is, and makes the mistake that it is told to.
func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan int)
	go func() { ended <- command(ctx, strings.Fields("serve --fault=changed --after=3"), w, io.Discard) }()
	line := make([]byte, 64)
	n, err := r.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := call(t, "echo --side=net --addr="+strings.TrimSpace(string(line[:n]))+shortLoad)
	if code != exitFailed || !strings.Contains(out+errs, "changed answer") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	if cancel(); <-ended != exitOK {
		t.Error("serve failed")
	}
}

// Without arguments everything is compared, with a control, and reports are written.
func TestAll(t *testing.T) {
	needBackend(t)
	t.Setenv("PATH", t.TempDir()) // without wrk, whose shortest time is a second
	dir := t.TempDir()
	json1, page := filepath.Join(dir, "r.json"), filepath.Join(dir, "r.html")
	code, out, errs := call(t, "--rounds=1 --time=5ms --out="+json1+","+page)
	if code != exitOK || !strings.Contains(errs, "http is left out") {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	text, err := os.ReadFile(json1)
	if err != nil {
		t.Fatal(err)
	}
	var d report.Document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range d.Comparisons {
		names = append(names, c.Workload)
	}
	if got := strings.Join(names, ","); got != "control: echo,echo,pingpong,udp,file" || len(d.Notes) != 1 ||
		!strings.Contains(out, d.Notes[0]) {
		t.Errorf("%s, notes %q", got, d.Notes)
	}
	for _, r := range d.Comparisons[0].Rows {
		if r.Sides[1].Name != "std again" || r.Sides[1].Rate[0] <= 0 {
			t.Errorf("control %+v", r)
		}
	}
}

// The control tells a quiet machine from one on which ratios mean nothing.
func TestVerdict(t *testing.T) {
	quiet := []Row{{Rate: Ratio{1.02, 0.95, 1.1}, CPU: Ratio{0.98, 0.9, 1.05}}}
	if v := verdictOn(quiet); strings.Contains(v, "TOO NOISY") || !strings.Contains(v, "2 % (median) and 11 %") {
		t.Error(v)
	}
	for _, rows := range [][]Row{{{Rate: Ratio{1.2, 1, 1.3}}}, {{Rate: Ratio{1, 1, 1}}, {Rate: Ratio{1, 0.5, 1.1}}},
		{{Rate: Ratio{1, 1, 1}, CPU: Ratio{0.8, 0.8, 0.8}}}} {
		if v := verdictOn(rows); !strings.Contains(v, "TOO NOISY") {
			t.Errorf("%+v: %s", rows, v)
		}
	}
}
