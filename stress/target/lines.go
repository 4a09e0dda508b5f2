package target

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/weirgo/weir/stress/load"
)

// Lines are requests of a protocol of lines, or of Redis, made by a template.
//
// A template has the fields Worker, N (of the request, from 1) and Random (a number below 2^32):
// "SET key{{.Random}} {{.N}}".
type Lines struct {
	Dial             Dial
	Network, Address string
	Request          string        // template of a request, without the end of the line
	Want             string        // template of the answer; "": any, but errors of Redis
	Redis            bool          // requests are commands and answers are replies of RESP, not lines
	Timeout          time.Duration // of an operation
	Seed             uint64
}

// Fields are what templates have.
type Fields struct {
	Worker int
	N      uint64
	Random uint32
}

// Start connects, and returns a worker that makes one request at a time.
func (l *Lines) Start(ctx context.Context, worker int) (load.Worker, error) {
	request, err := template.New("request").Option("missingkey=error").Parse(l.Request)
	if err != nil {
		return load.Worker{}, err
	}
	want, err := template.New("answer").Option("missingkey=error").Parse(l.Want)
	if err != nil {
		return load.Worker{}, err
	}
	c := &liner{l: l, request: request, want: want, fields: Fields{Worker: worker},
		random: rand.New(rand.NewPCG(l.Seed, uint64(worker)))}
	if err := c.connect(ctx); err != nil {
		return load.Worker{}, err
	}
	return load.Worker{Op: c.op, Close: c.close}, nil
}

// liner is one worker of Lines.
type liner struct {
	l             *Lines
	request, want *template.Template
	fields        Fields
	random        *rand.Rand
	conn          net.Conn // nil: the next operation connects
	r             *bufio.Reader
	out, right    bytes.Buffer
}

func (c *liner) connect(ctx context.Context) (err error) {
	if c.conn, err = c.l.Dial(ctx, c.l.Network, c.l.Address); err == nil {
		c.r = bufio.NewReader(c.conn)
	}
	return err
}

func (c *liner) close() error {
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

func (c *liner) op(ctx context.Context) error {
	if c.conn == nil {
		if err := c.connect(ctx); err != nil {
			return err
		}
	}
	err := c.exchange()
	if err != nil {
		c.conn.Close()
		c.conn = nil
	}
	return err
}

func (c *liner) exchange() error {
	c.fields.N++
	c.fields.Random = c.random.Uint32()
	c.out.Reset()
	c.right.Reset()
	if err := errors.Join(c.request.Execute(&c.out, c.fields), c.want.Execute(&c.right, c.fields)); err != nil {
		return err
	}
	send := append(c.out.Bytes(), '\n')
	if c.l.Redis {
		send = command(strings.Fields(c.out.String()))
	}
	if err := c.conn.SetDeadline(time.Now().Add(c.l.Timeout)); err != nil {
		return err
	}
	if _, err := c.conn.Write(send); err != nil {
		return err
	}
	var answer string
	var err error
	if c.l.Redis {
		answer, err = reply(c.r, 0)
	} else {
		answer, err = c.r.ReadString('\n')
	}
	if err != nil {
		return lost(uint32(c.fields.Worker), c.fields.N, err)
	}
	answer = strings.TrimRight(answer, "\r\n")
	if c.l.Want != "" && answer != c.right.String() {
		return &load.Fault{What: load.Changed, Stream: uint32(c.fields.Worker), Number: c.fields.N,
			Detail: fmt.Sprintf("%.80q, want %.80q", answer, c.right.String())}
	}
	return nil
}

// command is a command as Redis takes it.
func command(words []string) []byte {
	p := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		p = fmt.Appendf(p, "$%d\r\n%s\r\n", len(w), w)
	}
	return p
}

// maxReply bounds what a reply may say that it has.
const maxReply = 64 << 20

// reply reads one reply of Redis: a string as its text, a list with spaces between its elements.
func reply(r *bufio.Reader, depth int) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("an empty reply")
	}
	kind, text := line[0], line[1:]
	switch kind {
	case '+', ':':
		return text, nil
	case '-':
		return "", errors.New("reply: " + text)
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n > maxReply || n < -1 || depth > 8 || kind != '$' && kind != '*':
		return "", fmt.Errorf("not a reply of Redis: %.80q", line)
	case n == -1:
		return "(nil)", nil
	case kind == '$':
		p := make([]byte, n+2)
		if _, err := io.ReadFull(r, p); err != nil {
			return "", err
		}
		return string(p[:n]), nil
	}
	var all []string
	for range n {
		one, err := reply(r, depth+1)
		if err != nil {
			return "", err
		}
		all = append(all, one)
	}
	return strings.Join(all, " "), nil
}
