package inspect

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/coro"
	aiort "github.com/weirgo/weir/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start makes an IO and a scheduler that end with the test.
func start(t *testing.T) (*aio.IO, *coro.Scheduler) {
	t.Helper()
	io, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: os.Getenv("WEIR_DRIVE")})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	s, err := coro.New(coro.Options{IO: io, Name: "lane"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := io.Close(); err != nil {
			t.Error(err)
		}
	})
	return io, s
}

func get(t *testing.T, h http.Handler, method, target, accept string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// evil is a name of a task that would do harm in a terminal or a page.
const evil = "<script>alert(1)</script>\x1b[31m\nnext\u202e"

// TestForms guards the three forms: each has what waits, and none has a name unescaped.
func TestForms(t *testing.T) {
	io, s := start(t)
	var never coro.Event
	h := coro.Spawn(s, func(t *coro.Task) (int, error) { return 0, never.Wait(t) }, coro.Name(evil))
	defer h.Wait(context.Background())
	defer never.Set()
	handler := Handler(io)
	var text string
	for end := time.Now().Add(time.Minute); !strings.Contains(text, "waiting for event"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the task is not in the text:\n%s", text)
		}
		text = body(t, get(t, handler, "GET", "/debug/weir/", "*/*"))
	}
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%q is in the text:\n%s", r, text)
			break
		}
	}
	if !strings.Contains(text, "scheduler lane: running, tasks 1") || !strings.Contains(text, "its loop: running") {
		t.Errorf("text:\n%s", text)
	}

	answer := get(t, handler, "GET", "/x?format=json", "text/html")
	var r Report
	raw := body(t, answer)
	if err := json.Unmarshal([]byte(raw), &r); err != nil || answer.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("JSON: %v, %s", err, answer.Header)
	}
	if strings.ContainsAny(raw, "<>\x1b") {
		t.Errorf("JSON has what HTML or a terminal would take for a command: %s", raw)
	}
	if len(r.Schedulers) != 1 || len(r.Schedulers[0].Tasks) != 1 || r.Schedulers[0].Tasks[0].Name != evil {
		t.Errorf("report: %+v", r)
	}

	answer = get(t, handler, "GET", "/debug/weir/", "text/html,*/*")
	html := body(t, answer)
	_, script, _ := strings.Cut(html, "<script>")
	script, _, ok := strings.Cut(script, "</script>")
	sum := sha256.Sum256([]byte(script))
	if p := answer.Header.Get("Content-Security-Policy"); !ok || !strings.Contains(p,
		base64.StdEncoding.EncodeToString(sum[:])) {
		t.Errorf("the policy %q does not allow the page's script", p)
	}
	for _, bad := range []string{"innerHTML", "document.write", "eval(", "http://", "https://", "src="} {
		if strings.Contains(strings.ReplaceAll(html, "http://www.w3.org/2000/svg", ""), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	stacks := body(t, get(t, handler, "GET", "/?stacks=1", ""))
	if !strings.Contains(stacks, "TestForms") {
		t.Errorf("no stack in:\n%s", stacks)
	}
	if strings.Contains(text, "TestForms") {
		t.Error("stacks that were not asked for")
	}
}

// TestRequests guards what is refused.
func TestRequests(t *testing.T) {
	io, _ := start(t)
	h := Handler(io)
	for _, c := range []struct {
		method, target string
		want           int
	}{
		{"POST", "/", 405}, {"DELETE", "/", 405}, {"HEAD", "/", 200}, {"GET", "/?format=xml", 400},
		{"GET", "/?limit=0", 400}, {"GET", "/?limit=-1", 400}, {"GET", "/?limit=x", 400}, {"GET", "/?limit=5", 200},
		{"GET", "/?limit=999999999", 200},
	} {
		r := get(t, h, c.method, c.target, "")
		if r.StatusCode != c.want || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: %d, %v, want %d", c.method, c.target, r.StatusCode, r.Header, c.want)
		}
	}
}

// TestStuck guards the report of a scheduler whose thread a task keeps.
func TestStuck(t *testing.T) {
	io, s := start(t)
	begun, release := make(chan struct{}), make(chan struct{})
	coro.Spawn(s, func(*coro.Task) (int, error) { close(begun); <-release; return 0, nil }, coro.Name("hog"))
	<-begun
	text := body(t, get(t, Handler(io), "GET", "/", ""))
	close(release)
	if !strings.Contains(text, "scheduler lane: stuck") || !strings.Contains(text, "kept by task hog") {
		t.Errorf("text:\n%s", text)
	}
}

// TestManyTasks guards that the report is bounded however many tasks there are.
func TestManyTasks(t *testing.T) {
	io, s := start(t)
	n := 100_000
	if testing.Short() {
		n = 20_000
	}
	var never coro.Event
	h := coro.Spawn(s, func(p *coro.Task) (int, error) {
		for range n {
			coro.Spawn(p, func(t *coro.Task) (int, error) { return 0, never.Wait(t) })
		}
		return 0, nil
	})
	defer h.Wait(context.Background())
	defer never.Set()
	handler := Handler(io)
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		var r Report
		if err := json.Unmarshal([]byte(body(t, get(t, handler, "GET", "/?format=json", ""))), &r); err != nil {
			t.Fatal(err)
		}
		if s := r.Schedulers[0]; len(s.Tasks)+s.Omitted == n+1 {
			if len(s.Tasks) != 1000 || s.State != "running" {
				t.Errorf("%d tasks listed, %d omitted", len(s.Tasks), s.Omitted)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the tasks have not begun: %+v", r.Schedulers[0].Stats)
		}
	}
}

// TestClosed guards requests during and after the end of the IO, many at a time.
func TestClosed(t *testing.T) {
	io, err := aio.New(aio.Options{})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	h := Handler(io)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if r := get(t, h, "GET", "/?format=json", ""); r.StatusCode != 200 {
					t.Errorf("status %d", r.StatusCode)
				}
			}
		})
	}
	if err := io.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	for _, l := range Take(io, aio.SnapshotOptions{}).IO.Loops {
		if l.State != aiort.LoopEnded {
			t.Errorf("after Close: %+v", l)
		}
	}
}
