// Package target has the operations that stress does on services that others run: it makes the
// connections, asks, and checks the answers. Each has a Start for load.Config.
package target

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/weirgo/weir/stress/load"
)

// Dial makes a connection. ctx is that of the worker, or one derived from it.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Starter sets workers up.
type Starter interface {
	Start(ctx context.Context, worker int) (load.Worker, error)
}

// Messages are echoed messages of one size over a stream: TCP or a unix socket.
type Messages struct {
	Dial             Dial
	Network, Address string
	Size             int           // bytes of a message, load.Header at least
	Pipeline         int           // messages that are sent at once in an operation; 0: 1
	Fresh            bool          // each operation has a connection of its own
	Timeout          time.Duration // of an operation
	Ledger           *load.Ledger
}

// most is how many bytes may be sent before an answer is read: they have to fit the buffers of a
// connection, since the service may read no more before its answers are read.
const most = 64 << 10

func checkSize(size, n int) error {
	if size < load.Header || size*n > most {
		return fmt.Errorf("%d messages of %d bytes: want messages of %d bytes at least, and %d in all at most", n, size,
			load.Header, most)
	}
	return nil
}

// lost is the fault of an answer that did not come in time.
func lost(stream uint32, number uint64, err error) error {
	if e, ok := err.(interface{ Timeout() bool }); ok && e.Timeout() {
		return &load.Fault{What: load.Lost, Stream: stream, Number: number, Detail: err.Error()}
	}
	return err
}
