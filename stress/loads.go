package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/stress/faulty"
	"github.com/weirgo/weir/stress/load"
	"github.com/weirgo/weir/stress/report"
	"github.com/weirgo/weir/stress/target"
)

// loadFlags are the flags of load on a server of the user's.
type loadFlags struct {
	Side      string        `group:"load" enum:"weir,net" default:"weir" help:"What the clients run on: ${enum}."`
	Lane      string        `group:"load" enum:"goroutines,coroutines" default:"goroutines" help:"Clients are ${enum}; coroutines are weir's."`
	Workers   int           `group:"load" default:"16" help:"Clients, each with a connection; in an open loop the most operations at one time."`
	For       time.Duration `group:"load" default:"10s" help:"Measured time; of --find-limit: of each rate that is tried."`
	Warmup    time.Duration `group:"load" default:"1s" help:"Time before that which does not count."`
	Rate      float64       `group:"load" help:"Operations a second (open loop); 0: as many as the clients can do (closed loop)."`
	Arrivals  string        `group:"load" enum:"constant,poisson" default:"constant" help:"Gaps between operations of an open loop: ${enum}."`
	Ramp      string        `group:"load" placeholder:"FROM-TO" help:"The rate rises from one to the other during --for."`
	Steps     []float64     `group:"load" placeholder:"RATE,..." help:"These rates, one after the other, each for an equal part of --for."`
	FindLimit string        `group:"load" placeholder:"p99=10ms" help:"Search the highest rate that holds this; --rate is where the search begins."`
	Interval  time.Duration `group:"load" default:"1s" help:"Interval of the time series."`
	Timeout   time.Duration `group:"load" default:"5s" help:"After how long an answer is lost."`
	Late      time.Duration `group:"load" help:"After how long an answer is late, which is an error; 0: never."`
	Fresh     bool          `group:"load" help:"A new connection for each operation."`
	Tolerate  float64       `group:"load" placeholder:"SHARE" help:"The share of operations that may fail before the exit code is 1."`
}

type httpFlags struct {
	URL      string   `name:"url" help:"Put this server under load instead."`
	Version  int      `enum:"0,1,2" default:"0" help:"With --url: HTTP/1.1, HTTP/2, or what the server prefers."`
	Method   string   `default:"GET" help:"With --url: of the requests."`
	Header   []string `short:"H" sep:"none" placeholder:"NAME: VALUE" help:"With --url: a header of the requests."`
	Body     string   `help:"With --url: of the requests; @FILE is the content of a file."`
	Insecure bool     `help:"With --url: take any certificate."`
	Status   int      `help:"With --url: what answers must have; 0: any of 200 to 299."`
	Same     bool     `help:"With --url: all answers must have the body of the first."`
}

type unixCmd struct {
	where
	loadFlags
	Addr     string `required:"" placeholder:"PATH" help:"The socket."`
	Size     int    `default:"64" help:"Bytes in a message."`
	Pipeline int    `default:"1" help:"Messages that are sent at once."`
}

type lineCmd struct {
	where
	loadFlags
	Addr    string `required:"" placeholder:"HOST:PORT" help:"The server."`
	Request string `required:"" placeholder:"TEMPLATE" help:"A line, with {{.N}}, {{.Worker}} and {{.Random}}."`
	Want    string `placeholder:"TEMPLATE" help:"The line that must come back; empty: any."`
}

type redisCmd struct {
	where
	loadFlags
	Addr    string `default:"127.0.0.1:6379" placeholder:"HOST:PORT" help:"The server: ${default}."`
	Request string `default:"PING" placeholder:"TEMPLATE" help:"A command, with {{.N}}, {{.Worker}} and {{.Random}}: ${default}."`
	Want    string `placeholder:"TEMPLATE" help:"The reply that must come back; empty: any that is no error."`
}

type serveCmd struct {
	Network string        `enum:"tcp,unix,udp" default:"tcp" help:"${enum}."`
	Addr    string        `default:"127.0.0.1:0" help:"Where to listen."`
	Size    int           `default:"64" help:"Bytes in a message."`
	Fault   string        `default:"none" help:"none, lost, doubled, changed, late, reordered, foreign, silent or closed."`
	After   int           `default:"1000" help:"So many right answers come before each mistake."`
	Delay   time.Duration `default:"100ms" help:"Of late answers."`
}

type compareCmd struct {
	Before string `arg:"" help:"A report that --out NAME.json wrote."`
	After  string `arg:"" help:"Another."`
}

func (c *unixCmd) Run(s *session) error {
	return s.messages(&c.where, &c.loadFlags, "unix", c.Addr, c.Size, c.Pipeline)
}

func (c *lineCmd) Run(s *session) error {
	return s.load(&c.where, &c.loadFlags, "lines to "+c.Addr, load.LedgerOptions{},
		func(d target.Dial, _ *load.Ledger, seed uint64) target.Starter {
			return &target.Lines{Dial: d, Network: "tcp", Address: c.Addr, Request: c.Request, Want: c.Want,
				Timeout: c.Timeout, Seed: seed}
		})
}

func (c *redisCmd) Run(s *session) error {
	return s.load(&c.where, &c.loadFlags, "redis "+c.Addr, load.LedgerOptions{},
		func(d target.Dial, _ *load.Ledger, seed uint64) target.Starter {
			return &target.Lines{Dial: d, Network: "tcp", Address: c.Addr, Request: c.Request, Want: c.Want, Redis: true,
				Timeout: c.Timeout, Seed: seed}
		})
}

func (c *serveCmd) Run(s *session) error {
	fault, err := faulty.Parse(c.Fault)
	if err != nil {
		return err
	}
	if c.Size < 1 || c.Size > 1<<20 {
		return fmt.Errorf("--size is %d: want 1 to %d", c.Size, 1<<20)
	}
	o := faulty.Options{Size: c.Size, Fault: fault, After: c.After, Delay: c.Delay}
	var srv *faulty.Server
	if c.Network == "udp" {
		pc, err := net.ListenPacket(c.Network, c.Addr)
		if err != nil {
			return err
		}
		srv = faulty.ServePacket(pc, o)
	} else {
		ln, err := net.Listen(c.Network, c.Addr)
		if err != nil {
			return err
		}
		srv = faulty.Serve(ln, o)
	}
	fmt.Fprintln(s.stdout, srv.Addr())
	<-s.ctx.Done()
	return srv.Close()
}

func (c *compareCmd) Run(s *session) error {
	before, err := report.ReadFile(c.Before)
	if err != nil {
		return err
	}
	after, err := report.ReadFile(c.After)
	if err != nil {
		return err
	}
	return report.WriteCompare(s.stdout, before, after)
}

func (s *session) messages(w *where, l *loadFlags, network, addr string, size, pipeline int) error {
	return s.load(w, l, fmt.Sprintf("echo of %d bytes, %s %s", size, network, addr),
		load.LedgerOptions{Ordered: true, Late: l.Late}, func(d target.Dial, ledger *load.Ledger, _ uint64) target.Starter {
			return &target.Messages{Dial: d, Network: network, Address: addr, Size: size, Pipeline: pipeline, Fresh: l.Fresh,
				Timeout: l.Timeout, Ledger: ledger}
		})
}

func (s *session) packets(w *where, l *loadFlags, addr string, size int) error {
	return s.load(w, l, fmt.Sprintf("datagrams of %d bytes, %s", size, addr),
		load.LedgerOptions{Lossy: true, Late: l.Late}, func(d target.Dial, ledger *load.Ledger, _ uint64) target.Starter {
			return &target.Packets{Dial: d, Network: "udp", Address: addr, Size: size, Timeout: l.Timeout, Ledger: ledger}
		})
}

func (s *session) http(w *where, l *loadFlags, h *httpFlags) error {
	header := http.Header{}
	for _, text := range h.Header {
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return fmt.Errorf("--header is %q: want NAME: VALUE", text)
		}
		header.Add(textproto.TrimString(name), textproto.TrimString(value))
	}
	body := []byte(h.Body)
	if file, ok := strings.CutPrefix(h.Body, "@"); ok {
		var err error
		if body, err = os.ReadFile(file); err != nil {
			return err
		}
	}
	if l.Lane == "coroutines" {
		return errors.New("--lane is coroutines: the client of net/http is made of goroutines")
	}
	return s.load(w, l, h.URL, load.LedgerOptions{}, func(d target.Dial, _ *load.Ledger, _ uint64) target.Starter {
		return &target.HTTP{Dial: d, URL: h.URL, Method: h.Method, Header: header, Body: body, Version: h.Version,
			Insecure: h.Insecure, Fresh: l.Fresh, Status: h.Status, Same: h.Same, Timeout: l.Timeout}
	})
}

// schedule is what the flags ask for.
func (l *loadFlags) schedule() (load.Schedule, error) {
	var s load.Schedule
	switch {
	case l.Ramp != "":
		from, to, _ := strings.Cut(l.Ramp, "-")
		a, err := strconv.ParseFloat(from, 64)
		b, err2 := strconv.ParseFloat(to, 64)
		if err != nil || err2 != nil {
			return s, fmt.Errorf("--ramp is %q: want FROM-TO, two rates", l.Ramp)
		}
		s = load.Ramp(a, b, l.For)
	case len(l.Steps) > 0:
		s = load.Steps(l.For/time.Duration(len(l.Steps)), l.Steps...)
	case l.Rate > 0:
		s = load.Constant(l.Rate)
	}
	s.Poisson = l.Arrivals == "poisson"
	return s, nil
}

// phases are the warm-up and what is measured. Each of the steps is a phase.
func (l *loadFlags) phases() ([]load.Phase, error) {
	s, err := l.schedule()
	if err != nil {
		return nil, err
	}
	var all []load.Phase
	if l.Warmup > 0 {
		first := s
		if s.Open() {
			first = load.Schedule{Segments: []load.Segment{{From: s.Segments[0].From, To: s.Segments[0].From}}, Poisson: s.Poisson}
			if first.Segments[0].From == 0 {
				first = load.Schedule{}
			}
		}
		all = append(all, load.Phase{Name: "warm-up", Time: l.Warmup, Schedule: first, Discard: true})
	}
	if len(l.Steps) == 0 || l.Ramp != "" {
		return append(all, load.Phase{Name: "load", Time: l.For, Schedule: s}), nil
	}
	for _, r := range l.Steps {
		one := load.Constant(r)
		one.Poisson = s.Poisson
		all = append(all, load.Phase{Name: fmt.Sprintf("%g/s", r), Time: l.For / time.Duration(len(l.Steps)), Schedule: one})
	}
	return all, nil
}

// goal reads --find-limit.
func (l *loadFlags) goal() (load.Goal, error) {
	name, limit, _ := strings.Cut(l.FindLimit, "=")
	q, err := strconv.ParseFloat(strings.TrimPrefix(name, "p"), 64)
	d, err2 := time.ParseDuration(limit)
	if err != nil || err2 != nil || !strings.HasPrefix(name, "p") || q <= 0 || q > 100 {
		return load.Goal{}, fmt.Errorf("--find-limit is %q: want a percentile and a time, p99=10ms", l.FindLimit)
	}
	return load.Goal{Quantile: q / 100, Latency: d, Errors: l.Tolerate}, nil
}

// clients are what makes the load.
type clients struct {
	name string
	dial target.Dial
	lane load.Lane
	io   *aio.IO

	coro    *target.Coroutines
	precise *load.Precise
}

func newClients(w *where, l *loadFlags) (*clients, error) {
	if l.Side == "net" {
		if l.Lane == "coroutines" {
			return nil, errors.New("--lane is coroutines: package net has none")
		}
		c := &clients{name: "net", dial: new(net.Dialer).DialContext, precise: load.NewPrecise()}
		c.lane = c.precise
		return c, nil
	}
	o := aio.Options{Backend: w.Backend, Loops: w.Loops}
	if len(w.Drive) > 0 {
		o.Drive = w.Drive[0]
	}
	io, err := aio.New(o)
	if err != nil {
		return nil, err
	}
	info := io.Info()
	c := &clients{name: fmt.Sprintf("weir (%s, %s)", info.Backend, info.Drive), dial: io.DialContext, io: io}
	if l.Lane == "coroutines" {
		if c.coro, err = target.NewCoroutines(io); err != nil {
			return nil, errors.Join(err, io.Close())
		}
		c.name, c.dial, c.lane = "weir's coroutines ("+info.Backend+")", c.coro.Dial, c.coro
	} else {
		c.precise = load.NewPrecise()
		c.lane = c.precise
	}
	return c, nil
}

func (c *clients) close() error {
	var err error
	if c.precise != nil {
		err = c.precise.Close()
	}
	if c.coro != nil {
		err = errors.Join(err, c.coro.Close())
	}
	if c.io != nil {
		err = errors.Join(err, c.io.Close())
	}
	return err
}

// load puts a target under load, prints what it did and writes the reports.
func (s *session) load(w *where, l *loadFlags, name string, o load.LedgerOptions,
	starter func(target.Dial, *load.Ledger, uint64) target.Starter) (err error) {
	for _, path := range w.Out {
		if _, err := report.FormatOf(path); err != nil {
			return err
		}
	}
	c, err := newClients(w, l)
	if err != nil {
		return err
	}
	defer func() {
		if stuck := (*load.StuckError)(nil); !errors.As(err, &stuck) {
			err = errors.Join(err, c.close())
		}
	}()
	began, ledger := time.Now(), load.NewLedger(o)
	cfg := load.Config{Workers: l.Workers, Lane: c.lane, Seed: w.Seed, Interval: l.Interval,
		Start: starter(c.dial, ledger, w.Seed).Start, Patience: l.Timeout + 10*time.Second}
	done := s.watch(&cfg)
	part := report.Load{Target: name, Side: c.name}
	if l.FindLimit != "" {
		part.Goal = l.FindLimit
		part.Found, err = s.find(cfg, l)
	} else if cfg.Phases, err = l.phases(); err == nil {
		part.Result, err = load.Run(s.ctx, cfg)
	}
	done()
	if part.Result == nil && (part.Found == nil || len(part.Found.Trials) == 0) {
		return err
	}
	if a := ledger.Accounts(); a.Sent > 0 {
		part.Accounts = &a
	}
	d := s.document("load on "+name, began)
	d.Loads, d.Err = []report.Load{part}, text(err)
	d.Interrupted = s.ctx.Err() != nil
	err = errors.Join(err, d.Write(s.stdout, "txt"), s.write(d, w.Out))
	switch {
	case err != nil:
		return err
	case d.Interrupted:
		return fmt.Errorf("%w: the figures are those until then", errInterrupted)
	case ledger.Err() != nil:
		return fmt.Errorf("answers are wrong: %w", ledger.Err())
	}
	return verdict(&part, l.Tolerate)
}

// verdict is an error if too many operations failed.
func verdict(l *report.Load, tolerate float64) error {
	if l.Result == nil {
		return nil
	}
	var done, failed uint64
	for _, p := range l.Result.Phases {
		done, failed = done+p.Ops, failed+p.Errors
	}
	if float64(failed) > tolerate*float64(done+failed) {
		return fmt.Errorf("%d of %d operations failed (--tolerate allows for a share)", failed, done+failed)
	}
	return nil
}

// find searches the highest rate.
func (s *session) find(cfg load.Config, l *loadFlags) (*load.Found, error) {
	goal, err := l.goal()
	if err != nil {
		return nil, err
	}
	from := l.Rate
	if from == 0 {
		from = 1000
	}
	return load.FindLimit(s.ctx, cfg, load.Limit{Goal: goal, From: from, Time: l.For, Poisson: l.Arrivals == "poisson"})
}

// watch shows the progress of a load where a person sees it, until done is called.
func (s *session) watch(cfg *load.Config) (done func()) {
	bar := s.bar()
	if bar == nil {
		return func() {}
	}
	total, failed := time.Duration(0), uint64(0)
	cfg.Watch = func(p load.Progress) {
		if p.Total != total {
			total = p.Total
			bar.Reset()
			bar.ChangeMax64(int64(total))
		}
		failed += p.Point.Errors
		bar.Describe(fmt.Sprintf("%s: %s/s, p50 %s, p99 %s, errors %d", p.Phase, humanize.Comma(int64(p.Point.Rate)),
			short(float64(p.Point.P50)), short(float64(p.Point.P99)), failed))
		bar.Set64(int64(min(p.Done, total-1)))
	}
	return func() { bar.Clear() }
}

// document begins a report.
func (s *session) document(title string, began time.Time) *report.Document {
	return &report.Document{Title: title, Command: append([]string{"stress"}, s.args...), Machine: report.ThisMachine(),
		Started: began, Took: time.Since(began)}
}

// write writes a report to files.
func (s *session) write(d *report.Document, paths []string) error {
	var errs error
	for _, p := range paths {
		errs = errors.Join(errs, d.WriteFile(p))
	}
	return errs
}

// text is that of an error, or nothing.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
