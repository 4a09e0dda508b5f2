package target

import (
	"context"
	"net"
	"time"

	"github.com/weirgo/weir/stress/load"
)

// Packets are echoed datagrams: UDP, or a unixgram socket's. An answer that does not come within
// Timeout is lost, which fails its operation.
type Packets struct {
	Dial             Dial
	Network, Address string
	Size             int // bytes of a datagram, load.Header at least
	Timeout          time.Duration
	Ledger           *load.Ledger
}

// Start connects, and returns a worker that exchanges one datagram at a time.
func (p *Packets) Start(ctx context.Context, _ int) (load.Worker, error) {
	if err := checkSize(p.Size, 1); err != nil {
		return load.Worker{}, err
	}
	conn, err := p.Dial(ctx, p.Network, p.Address)
	if err != nil {
		return load.Worker{}, err
	}
	s := &sender{p: p, conn: conn, stream: p.Ledger.Stream(), sent: make([]byte, p.Size), got: make([]byte, p.Size+1)}
	return load.Worker{Op: s.op, Close: s.close}, nil
}

// sender is one socket of Packets.
type sender struct {
	p         *Packets
	conn      net.Conn
	stream    *load.Stream
	sent, got []byte
	filled    bool
}

func (s *sender) op(context.Context) error {
	number := s.stream.Stamp(s.sent, !s.filled)
	s.filled = true
	if err := s.conn.SetDeadline(time.Now().Add(s.p.Timeout)); err != nil {
		return err
	}
	if _, err := s.conn.Write(s.sent); err != nil {
		s.stream.Forget(number)
		return err
	}
	for {
		n, err := s.conn.Read(s.got)
		if err != nil {
			return lost(s.stream.ID(), number, err)
		}
		got, err := s.stream.Answer(s.got[:n])
		if err != nil {
			return err
		}
		if got == number {
			return nil
		} // an answer to one that was given up
	}
}

func (s *sender) close() error {
	s.stream.Close() // what is missing has failed its operation
	return s.conn.Close()
}
