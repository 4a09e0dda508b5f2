package target

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/weirgo/weir/stress/load"
)

// Start connects, and returns a worker whose operation is the exchange of Pipeline messages. An
// operation that fails gives its connection up: the next one makes another.
func (m *Messages) Start(ctx context.Context, _ int) (load.Worker, error) {
	n := max(m.Pipeline, 1)
	if err := checkSize(m.Size, n); err != nil {
		return load.Worker{}, err
	}
	c := &talker{m: m, stream: m.Ledger.Stream(), sent: make([]byte, n*m.Size), got: make([]byte, m.Size)}
	if err := c.connect(ctx); err != nil {
		return load.Worker{}, err
	}
	return load.Worker{Op: c.op, Close: c.close}, nil
}

// talker is one connection of Messages.
type talker struct {
	m         *Messages
	conn      net.Conn // nil: the next operation connects
	stream    *load.Stream
	sent, got []byte
	filled    bool
}

func (c *talker) connect(ctx context.Context) (err error) {
	c.conn, err = c.m.Dial(ctx, c.m.Network, c.m.Address)
	return err
}

func (c *talker) op(ctx context.Context) error {
	if c.conn == nil {
		if err := c.connect(ctx); err != nil {
			return err
		}
	}
	first, last, err := c.exchange()
	if err != nil || c.m.Fresh {
		for i := first; i <= last && err != nil; i++ {
			c.stream.Forget(i) // its answer went with the connection
		}
		closed := c.conn.Close()
		if c.conn = nil; err == nil {
			err = closed
		}
	}
	return err
}

func (c *talker) exchange() (first, last uint64, err error) {
	size := c.m.Size
	for p := c.sent; len(p) > 0; p = p[size:] {
		last = c.stream.Stamp(p[:size], !c.filled)
	}
	c.filled = true
	first = last - uint64(len(c.sent)/size) + 1
	if err := c.conn.SetDeadline(time.Now().Add(c.m.Timeout)); err != nil {
		return first, last, err
	}
	if _, err := c.conn.Write(c.sent); err != nil {
		return first, last, err
	}
	for i := first; i <= last && err == nil; i++ {
		err = c.answer(i)
	}
	return first, last, err
}

func (c *talker) answer(want uint64) error {
	if _, err := io.ReadFull(c.conn, c.got); err != nil {
		return lost(c.stream.ID(), want, err)
	}
	_, err := c.stream.Answer(c.got)
	return err
}

func (c *talker) close() error {
	err := c.stream.Close()
	var fault *load.Fault
	if errors.As(err, &fault) {
		err = nil // the ledger has it
	}
	if c.conn == nil {
		return err
	}
	return errors.Join(err, c.conn.Close())
}
