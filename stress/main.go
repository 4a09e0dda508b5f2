// Command stress runs weir and packages net and os in turn, in one process, and prints how they
// compare. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

func main() {
	if asServer() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt kills
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

type cli struct {
	All      allCmd      `cmd:"" default:"withargs" help:"Everything that takes moments, compared, with a report: what stress does without arguments."`
	Echo     echoCmd     `cmd:"" help:"TCP on the loopback interface: clients exchange messages with an echo server. With --addr: load on a server of yours."`
	File     fileCmd     `cmd:"" help:"One big file: goroutines read, or write, blocks of it at random."`
	Pingpong pingpongCmd `cmd:"" help:"Unix socket pairs: both ends are goroutines of this process and exchange messages."`
	UDP      udpCmd      `cmd:"" help:"UDP on the loopback interface: clients exchange datagrams with an echo server, a process of its own. With --addr: load on a server of yours."`
	HTTP     httpCmd     `cmd:"" help:"HTTP on the loopback interface: wrk, which must be installed, asks a server, a process of its own. With --url: load on a server of yours."`
	Idle     idleCmd     `cmd:"" help:"Memory of a server, a process of its own, for each idle connection."`

	Unix    unixCmd    `cmd:"" help:"Load on an echo server of yours that listens on a unix socket."`
	Line    lineCmd    `cmd:"" help:"Load on a server of yours with a protocol of lines, by a template."`
	Redis   redisCmd   `cmd:"" help:"Load on a server of yours that speaks Redis's protocol, by a template."`
	Serve   serveCmd   `cmd:"" help:"An echo server to try these on, which makes mistakes if it is told to."`
	Bench   benchCmd   `cmd:"" help:"The benchmarks of libxev and zig-aio, under their names, on weir."`
	Chaos   chaosCmd   `cmd:"" help:"Make weir's life hard in every way there is, on every backend and drive, and check every answer."`
	Soak    soakCmd    `cmd:"" help:"Work for hours, and look for what grows: goroutines, descriptors, memory."`
	Compare compareCmd `cmd:"" help:"Compare two reports, with intervals of confidence."`
}

// common are the flags of every subcommand.
type common struct {
	where
	Rounds int           `default:"5" help:"Rounds for each line of the table."`
	Time   time.Duration `default:"1s" help:"Measured time for each side and round."`
	JSON   bool          `name:"json" help:"Print JSON instead of a table: every round, in nanoseconds."`
}

// where are the flags that say what weir runs on and where the report goes.
type where struct {
	Drive   []string `enum:"auto,thread,scheduler" default:"auto" help:"How weir's loops run: ${enum}. A list runs one after the other."`
	Backend string   `placeholder:"NAME" help:"Force weir's backend instead of the first that works."`
	Loops   int      `help:"Number of weir's loops; 0: from GOMAXPROCS."`
	Seed    uint64   `help:"Seed of all random choices; 0: a new one."`
	Out     []string `placeholder:"FILE" help:"Write a report: .html, .json (for compare), .jsonl, .csv, .md or .txt. A list writes each."`
}

type echoCmd struct {
	common
	loadFlags
	Addr     string `placeholder:"HOST:PORT" help:"Put this server under load instead: one that sends back what it gets."`
	Pipeline int    `default:"1" help:"With --addr: messages that are sent at once."`
	Conns    []int  `default:"1,64,512" aliases:"goroutines" help:"Numbers of connections."`
	Size     int    `default:"64" help:"Bytes in a message."`
	Clients  string `enum:"same,net" default:"same" help:"Clients use the side measured, like the server (same), or package net on both sides (net)."`
}

type pingpongCmd struct {
	common
	Pairs []int `default:"1,16,64,256" aliases:"goroutines" help:"Numbers of pairs of goroutines."`
	Size  int   `default:"64" help:"Bytes in a message."`
}

type udpCmd struct {
	common
	loadFlags
	Addr    string `placeholder:"HOST:PORT" help:"Put this server under load instead: one that sends datagrams back."`
	Senders []int  `default:"1,64" aliases:"goroutines" help:"Numbers of clients."`
	Size    int    `default:"64" help:"Bytes in a datagram."`
	Batch   bool   `default:"true" negatable:"" help:"weir's server takes and sends many datagrams at a time."`
	Apart   bool   `default:"true" negatable:"" help:"The server has the first CPU for itself, the clients have the others."`
}

type httpCmd struct {
	common
	loadFlags
	httpFlags
	Conns []int `default:"1,64,256" aliases:"goroutines" help:"Numbers of connections."`
	Apart bool  `default:"true" negatable:"" help:"The server has the first CPU for itself, wrk has the others."`
}

type idleCmd struct {
	Drive   []string `enum:"auto,thread,scheduler" default:"auto" help:"How weir's loops run: ${enum}. A list runs one after the other."`
	Backend string   `placeholder:"NAME" help:"Force weir's backend instead of the first that works."`
	Loops   int      `help:"Number of weir's loops; 0: from GOMAXPROCS."`
	Conns   int      `default:"20000" help:"Number of connections."`
	Buffer  byteSize `default:"64" help:"Bytes of the buffer that each connection waits with."`
	Receive bool     `help:"weir's server waits without a buffer: TCPConn.Receive."`
	JSON    bool     `name:"json" help:"Print JSON instead of a table."`
}

type fileCmd struct {
	common
	Goroutines []int    `default:"1,4,16,64,256" help:"Numbers of goroutines."`
	Dir        string   `type:"existingdir" placeholder:"DIR" help:"Where the file is made, and removed afterwards. Default: the system's temporary directory."`
	Size       byteSize `default:"512MiB" help:"Size of the file."`
	Block      byteSize `default:"4KiB" help:"Size of a block."`
	Direct     bool     `default:"true" negatable:"" help:"Go around the page cache (O_DIRECT)."`
	Write      bool     `help:"Write blocks instead of reading them."`
}

func (c *echoCmd) Run(s *session) error {
	if c.Addr != "" {
		return s.messages(&c.where, &c.loadFlags, "tcp", c.Addr, c.Size, c.Pipeline)
	}
	return s.run(c.common, c.Conns, &echo{size: c.Size, netClients: c.Clients == "net"})
}

func (c *pingpongCmd) Run(s *session) error {
	return s.run(c.common, c.Pairs, &pingpong{size: c.Size})
}

func (c *udpCmd) Run(s *session) error {
	if c.Addr != "" {
		return s.packets(&c.where, &c.loadFlags, c.Addr, c.Size)
	}
	on, err := s.apart(c.Apart)
	if err != nil {
		return err
	}
	return s.run(c.common, c.Senders, &udp{size: c.Size, batch: c.Batch, on: on})
}

func (c *httpCmd) Run(s *session) error {
	if c.URL != "" {
		return s.http(&c.where, &c.loadFlags, &c.httpFlags)
	}
	on, err := s.apart(c.Apart)
	if err != nil {
		return err
	}
	return s.run(c.common, c.Conns, &httpHello{on: on})
}

func (c *idleCmd) Run(s *session) error {
	r, err := idle(s.ctx, c, func(text string) { fmt.Fprintf(s.stderr, "stress: note: %s\n", text) })
	switch {
	case err != nil:
		return err
	case c.JSON:
		return r.writeJSON(s.stdout)
	}
	return r.writeTable(s.stdout)
}

func (c *fileCmd) Run(s *session) error {
	return s.run(c.common, c.Goroutines, &file{dir: c.Dir, size: int64(c.Size), block: int(c.Block), direct: c.Direct,
		write: c.Write})
}

// byteSize is a number of bytes that may be written with a unit: 4KiB, 512MiB.
type byteSize int64

func (b *byteSize) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err == nil && int64(n) < 0 {
		err = errors.New("too large")
	}
	*b = byteSize(n)
	return err
}

// session is one call of the program.
type session struct {
	ctx            context.Context
	args           []string
	stdout, stderr io.Writer
}

// command is the program. It returns the exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	parser, err := kong.New(&cli{}, kong.Name("stress"), kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Description("Compares weir with packages net and os: both do the same work in turn, in this process, "+
			"and the ratios are taken round by round. Puts servers of yours under load, and checks every answer."))
	if err != nil {
		panic(err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "stress: %v (stress --help tells more)\n", err)
		return exitUsage
	}
	err = parsed.Run(&session{ctx, args, stdout, stderr})
	if errors.Is(err, errInterrupted) {
		fmt.Fprintf(stderr, "stress: %v\n", err)
		return exitInterrupted
	}
	if err != nil {
		fmt.Fprintf(stderr, "stress: %v\n", err)
		if stuck := (*stuckError)(nil); errors.As(err, &stuck) {
			stderr.Write(stuck.stacks)
		}
		return exitFailed
	}
	return exitOK
}

var errInterrupted = errors.New("interrupted")

// apart gives servers a CPU of their own, if that is wanted and there are two.
func (s *session) apart(wanted bool) (*cpus, error) {
	if !wanted {
		return nil, nil
	}
	on, err := apart()
	if err == errOneCPU {
		fmt.Fprintf(s.stderr, "stress: note: %v, for the server and the load\n", err)
		return nil, nil
	}
	return on, err
}

// run measures and prints. What was measured before an error or an interrupt is printed too.
func (s *session) run(c common, counts []int, w workload) error {
	began := time.Now()
	report, err := s.measure(c.config(counts), w)
	if report != nil && (len(report.Rows) > 0 || err == nil) {
		if c.JSON {
			err = errors.Join(err, report.writeJSON(s.stdout))
		} else {
			err = errors.Join(err, report.writeTable(s.stdout))
		}
		d := s.document("weir beside net and os: "+report.Workload, began)
		d.Interrupted, d.Err = report.Interrupted, text(err)
		d.Comparisons = append(d.Comparisons, report.comparison())
		err = errors.Join(err, s.write(d, c.Out))
	}
	if err == nil && report.Interrupted {
		err = fmt.Errorf("%w: only whole rounds that had ended count", errInterrupted)
	}
	return err
}

func (c *common) config(counts []int) config {
	return config{drives: c.Drive, backend: c.Backend, loops: c.Loops, rounds: c.Rounds, time: c.Time, seed: c.Seed,
		counts: counts}
}

// measure runs a workload, and shows how far it is.
func (s *session) measure(cfg config, w workload) (*Report, error) {
	cfg.note = func(text string) { fmt.Fprintf(s.stderr, "stress: note: %s\n", text) }
	bar := s.bar()
	if bar != nil {
		cfg.progress = func(p progress) {
			if bar.GetMax64() != int64(p.total) {
				bar.Reset()
				bar.ChangeMax64(int64(p.total))
			}
			bar.Describe(p.what)
			bar.Set64(int64(min(p.done, p.total-1))) // its end is for below: it prints a line then
		}
		note := cfg.note
		cfg.note = func(text string) { bar.Clear(); note(text) }
	}
	report, err := run(s.ctx, cfg, w)
	if bar != nil {
		bar.Clear()
	}
	return report, err
}

// bar is the progress bar: nil unless a person is there to see it.
func (s *session) bar() *progressbar.ProgressBar {
	f, ok := s.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return progressbar.NewOptions64(1, progressbar.OptionSetWriter(f), progressbar.OptionSetWidth(24),
		progressbar.OptionThrottle(90*time.Millisecond),
		progressbar.OptionSetElapsedTime(false), progressbar.OptionSetPredictTime(true),
		progressbar.OptionClearOnFinish(), progressbar.OptionUseANSICodes(true))
}
