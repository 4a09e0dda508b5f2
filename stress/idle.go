package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// idleReport says what an idle connection costs a server.
type idleReport struct {
	Conns   int        `json:"conns"`
	Buffer  int        `json:"buffer"`  // bytes for each
	Receive bool       `json:"receive"` // but not on weir
	Sides   []idleSide `json:"sides"`
}

// idleSide is one server's bytes for each connection. The kernel's are not among them.
type idleSide struct {
	Name    string `json:"side"`
	Drive   string `json:"drive,omitempty"`
	Backend string `json:"backend,omitempty"`
	memory
}

// alone is what is left without the goroutine's stack.
func (s idleSide) alone() uint64 { return s.Heap + s.Runtime }

// idle measures a server of each side with connections that are silent after a first message.
func idle(ctx context.Context, c *idleCmd, note func(string)) (*idleReport, error) {
	n := c.Conns
	if n < 1 {
		return nil, fmt.Errorf("--conns is %d: want at least 1", n)
	}
	if c.Buffer < 1 || c.Buffer > maxIdleBuffer {
		return nil, fmt.Errorf("--buffer is %d: want 1 to %d bytes", c.Buffer, maxIdleBuffer)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, err
	}
	if room := int(min(limit.Max, 1<<24)) - 100; n > room {
		note(fmt.Sprintf("no more than %d connections: the limit of descriptors is %d", room, limit.Max))
		n = room
	}
	r := &idleReport{Conns: n, Buffer: int(c.Buffer), Receive: c.Receive}
	specs := []serverSpec{{Kind: "idle", Buffer: r.Buffer}}
	for _, d := range c.Drive {
		weir, err := aio.New(aio.Options{Backend: c.Backend, Drive: d, Loops: c.Loops})
		if err != nil {
			return nil, err
		}
		spec := side{weir}.spec("idle", &config{loops: c.Loops})
		spec.Buffer, spec.Receive = r.Buffer, r.Receive
		specs = append(specs, spec)
		if err := weir.Close(); err != nil {
			return nil, err
		}
	}
	for _, spec := range specs {
		s, err := idleOf(ctx, n, spec)
		if err != nil {
			return nil, err
		}
		r.Sides = append(r.Sides, s)
	}
	return r, nil
}

// maxIdleBuffer bounds what a server for each connection is given: it is allocated at once.
const maxIdleBuffer = 1 << 20

func idleOf(ctx context.Context, n int, spec serverSpec) (s idleSide, err error) {
	s = idleSide{Name: side{}.name(), Drive: spec.Drive, Backend: spec.Backend}
	if spec.Weir {
		s.Name = "weir"
	}
	srv, err := startServer(spec, nil)
	if err != nil {
		return s, err
	}
	var conns []net.Conn
	defer func() { err = errors.Join(err, closeAll(conns), srv.stop()) }()
	before, err := srv.ask("memory")
	if err != nil {
		return s, err
	}
	for b := []byte{1}; len(conns) < n; {
		if ctx.Err() != nil {
			return s, errInterrupted
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", srv.address)
		if err != nil {
			return s, err
		}
		conns = append(conns, conn)
		if _, err := conn.Write(b); err != nil {
			return s, err
		}
		if _, err := io.ReadFull(conn, b); err != nil {
			return s, err
		}
	}
	after, err := srv.ask("memory")
	if err != nil {
		return s, err
	}
	per := func(a, b uint64) uint64 { return (max(b, a) - a + uint64(n)/2) / uint64(n) }
	a, b := before.Memory, after.Memory
	s.memory = memory{Heap: per(a.Heap, b.Heap), Runtime: per(a.Runtime, b.Runtime), Stacks: per(a.Stacks, b.Stacks),
		Resident: per(a.Resident, b.Resident)}
	return s, nil
}

func (r *idleReport) writeJSON(w io.Writer) error { return writeIndented(w, r) }

// writeTable prints bytes for each connection, and how weir's compare.
func (r *idleReport) writeTable(w io.Writer) error {
	without := ""
	if r.Receive {
		without = "; weir's wait in Receive, without a buffer"
	}
	fmt.Fprintf(w, "idle: bytes of a server for each of %s idle connections, with a goroutine and a buffer of %s "+
		"bytes each%s\n\n",
		humanize.Comma(int64(r.Conns)), humanize.Comma(int64(r.Buffer)), without)
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "side\tdrive\theap\truntime\tboth\t\tstack\tresident\t\t\n")
	std := r.Sides[0]
	over := func(a, b uint64) string { return fmt.Sprintf("x%.2f", float64(a)/float64(max(b, 1))) }
	for _, s := range r.Sides {
		drive := s.Drive
		if drive == "" {
			drive = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\t%d\t%d\t%s\t\n", s.Name, drive, s.Heap, s.Runtime, s.alone(),
			over(s.alone(), std.alone()),
			s.Stacks, s.Resident, over(s.Resident, std.Resident))
	}
	t.Flush() // a Builder takes everything
	for line := range strings.Lines(table.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}
