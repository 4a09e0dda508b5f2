package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// httpHello has wrk ask an HTTP server, which is a process of its own, whose use of the processor
// is what counts.
type httpHello struct {
	c  *config
	on *cpus
}

func (h *httpHello) describe() (name, counts, ops, details string) {
	return "http", "conns", "requests", "net/http says hello to wrk; CPU is that of the server alone, " + h.on.String()
}

func (h *httpHello) prepare(_ context.Context, c *config) error {
	h.c = c
	if c.time < time.Second || c.time%time.Second != 0 {
		return fmt.Errorf("--time is %v: wrk wants whole seconds", c.time)
	}
	if _, err := exec.LookPath("wrk"); err != nil {
		return fmt.Errorf("wrk makes the load: %w (Debian and Ubuntu: apt-get install wrk)", err)
	}
	return nil
}

func (h *httpHello) cleanup() error { return nil }

func (h *httpHello) crew(side, int, uint64) (*crew, error) { panic("wrk is the crew") }

// measure replaces the crew's work.
func (h *httpHello) measure(ctx context.Context, s side, n int) (_ Figures, err error) {
	srv, err := startServer(s.spec("http", h.c), h.on)
	if err != nil {
		return Figures{}, err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	if _, err := h.wrk(ctx, srv.address, n, time.Second); err != nil { // the warm-up
		return Figures{}, err
	}
	before, err := srv.usage()
	if err != nil {
		return Figures{}, err
	}
	f, err := h.wrk(ctx, srv.address, n, h.c.time)
	if err != nil {
		return Figures{}, err
	}
	after, err := srv.usage()
	if err != nil {
		return Figures{}, err
	}
	f.of(before, after, s.weir != nil)
	return f, nil
}

func (h *httpHello) wrk(ctx context.Context, address string, conns int, d time.Duration) (Figures, error) {
	cmd := exec.CommandContext(ctx, "wrk", "--latency", "-t", strconv.Itoa(min(conns, h.on.threads())), "-c",
		strconv.Itoa(conns),
		"-d", fmt.Sprintf("%ds", d/time.Second), "http://"+address+"/")
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	err := h.on.startLoad(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	out := buf.Bytes()
	if ctx.Err() != nil {
		return Figures{}, nil
	}
	if err != nil {
		return Figures{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	return parseWrk(string(out))
}

var (
	wrkRate     = regexp.MustCompile(`(?m)^Requests/sec:\s+([\d.]+)$`)
	wrkRequests = regexp.MustCompile(`(?m)^\s+(\d+) requests in `)
	wrkP50      = regexp.MustCompile(`(?m)^\s+50%\s+([\d.]+[a-z]+)$`)
	wrkP99      = regexp.MustCompile(`(?m)^\s+99%\s+([\d.]+[a-z]+)$`)
	wrkMax      = regexp.MustCompile(`(?m)^\s+Latency\s+\S+\s+\S+\s+([\d.]+[a-z]+)\s`)
	wrkErrors   = regexp.MustCompile(`(?m)^\s+(Socket errors:|Non-2xx).*$`)
)

// parseWrk reads what wrk prints.
func parseWrk(out string) (Figures, error) {
	if e := wrkErrors.FindString(out); e != "" {
		return Figures{}, fmt.Errorf("wrk: %s", e)
	}
	var errs error
	find := func(r *regexp.Regexp) string {
		m := r.FindStringSubmatch(out)
		if m == nil {
			errs = errors.Join(errs, fmt.Errorf("wrk did not say %q in %q", r, out))
			return "0s"
		}
		return m[1]
	}
	latency := func(r *regexp.Regexp) int64 {
		d, err := time.ParseDuration(find(r))
		errs = errors.Join(errs, err)
		return int64(d)
	}
	rate, err := strconv.ParseFloat(find(wrkRate), 64)
	ops, err2 := strconv.ParseUint(find(wrkRequests), 10, 64)
	f := Figures{Ops: ops, Rate: rate, P50: latency(wrkP50), P99: latency(wrkP99), Max: latency(wrkMax)}
	if errs = errors.Join(errs, err, err2); errs == nil && ops == 0 {
		errs = errors.New("wrk got no answer")
	}
	return f, errs
}
