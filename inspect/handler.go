package inspect

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/coro"
)

// Report is what the handler shows.
type Report struct {
	Time       time.Time       `json:"time"`
	IO         aio.Snapshot    `json:"io"`
	Stats      aio.Stats       `json:"stats"`
	Schedulers []coro.Snapshot `json:"schedulers"`
}

// Take looks at an IO and the schedulers that were made with it. Any goroutine may call it, at any
// time, also after the IO's Close. It waits for loops as long as one snapshot of each does: see
// aio.SnapshotOptions.Wait. A nil io is aio.Default(), which the call starts if it does not run.
func Take(io *aio.IO, o aio.SnapshotOptions) Report {
	if io == nil {
		io = aio.Default()
	}
	r := Report{Time: time.Now()}
	all := coro.Schedulers(io)
	r.Schedulers = make([]coro.Snapshot, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() { r.Schedulers[i] = s.Snapshot(o) })
	}
	r.IO, r.Stats = io.Snapshot(o), io.Stats()
	wg.Wait()
	return r
}

//go:embed page.html
var page []byte

// policy lets the page run its own script and ask its own server, and nothing else.
var policy = func() string {
	_, script, _ := bytes.Cut(page, []byte("<script>"))
	script, _, _ = bytes.Cut(script, []byte("</script>"))
	sum := sha256.Sum256(script)
	return "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
		"frame-ancestors 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// Handler returns a handler for a path of the caller's choice, "/debug/weir/" by habit. It serves
// GET and HEAD, at that path and all below it. Several requests are answered one after the other. A
// nil io is aio.Default(), which the first request starts if it does not run. See the package
// comment for what it discloses.
func Handler(io *aio.IO) http.Handler { return &handler{io: io} }

type handler struct {
	io *aio.IO
	mu sync.Mutex // held for a Take, so that many requests do not stop the world at a time
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "no-store")
	head.Set("Content-Security-Policy", policy)
	head.Set("Vary", "Accept")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	q := r.URL.Query()
	o := aio.SnapshotOptions{Stacks: q.Get("stacks") == "1"}
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			http.Error(w, "limit: want a number from 1", http.StatusBadRequest)
			return
		}
		o.Limit = n
	}
	format := q.Get("format")
	if format == "" {
		if format = "text"; strings.Contains(r.Header.Get("Accept"), "text/html") {
			format = "html"
		}
	}
	var body bytes.Buffer
	switch format {
	case "html":
		head.Set("Content-Type", "text/html; charset=utf-8")
		body.Write(page)
	case "json":
		head.Set("Content-Type", "application/json")
		if err := json.NewEncoder(&body).Encode(h.take(o)); err != nil {
			http.Error(w, "the report cannot be encoded", http.StatusInternalServerError)
			return
		}
	case "text":
		head.Set("Content-Type", "text/plain; charset=utf-8")
		r := h.take(o)
		r.text(&body)
	default:
		http.Error(w, "format: want html, json or text", http.StatusBadRequest)
		return
	}
	w.Write(body.Bytes()) // an error means that the client has gone
}

func (h *handler) take(o aio.SnapshotOptions) Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Take(h.io, o)
}
