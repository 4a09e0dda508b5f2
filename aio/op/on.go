package op

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

// On makes o work on f, an open file, connection or listener of package aio, instead of a
// descriptor, whose number may belong to another file by the time that o is submitted:
//
//	op.Write(0, p, off).On(f)
//
// f stays open while o is in flight. Close of f ends o: if it was not done it has os.ErrClosed or
// net.ErrClosed, as f's own methods do; so has an o that is submitted after Close. f's deadlines,
// and the locks that serialize its reads and writes, do not apply to o. [Op.SetFD], [Op.SetFile]
// and [Op.From] undo On. It returns o.
//
// On panics if o has no descriptor to replace, or closes it. If f is not of package aio, and on
// systems other than Linux, o is errors.ErrUnsupported when it is submitted.
func (o *Op) On(f syscall.Conn) *Op {
	o.mayChange()
	if !o.c.Op.TakesFile() {
		panic("op: On of an operation that cannot be on an open file: " + o.String())
	}
	o.From(nil).SetFD(-1)
	if o.hold == nil {
		o.hold = new(hold)
	}
	o.hold.conn = &conn{why: errors.ErrUnsupported}
	if f == nil {
		o.hold.conn.why = fmt.Errorf("On nil: %w", sys.EINVAL)
		return o
	}
	raw, err := f.SyscallConn()
	if err != nil {
		o.hold.conn.why = err
		return o
	}
	if k, ok := raw.(keeper); ok {
		o.hold.conn = &conn{keeper: k}
	}
	return o
}

// keeper is implemented by the files and connections of package aio.
type keeper interface {
	// Hold keeps the descriptor open until release is called. While it is being closed end is
	// called again and again, until then.
	Hold(end func()) (fd int, release func(), err error)

	// Closed returns the error of calls after Close.
	Closed() error

	// Name returns the name of the file, for errors.
	Name() string
}

// conn is the file or connection that an operation is On.
type conn struct {
	keeper
	why     error // why it cannot be
	release func()

	mu     sync.Mutex
	on     bool // the operation is in flight
	closed bool // a Close has ended the operation
}

// take holds the file for o, which is about to be submitted to l.
func (n *conn) take(l *aiort.Loop, o *Op) error {
	if n.why != nil {
		return n.why
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	fd, release, err := n.Hold(func() {
		n.mu.Lock()
		if n.on {
			n.closed = true
			l.CancelWhile(&o.c)
		}
		n.mu.Unlock()
		l.Look(&o.c) // Look may run a tick, which takes the lock
	})
	if err != nil {
		return err
	}
	o.c.Op.FD = fd
	n.on, n.closed, n.release = true, false, release
	return nil
}

// drop releases the file. It reports whether a Close has ended the operation meanwhile.
func (n *conn) drop() (closed bool) {
	n.mu.Lock()
	release := n.release
	closed = n.closed
	n.on, n.release = false, nil
	n.mu.Unlock()
	if release != nil {
		release()
	}
	return closed
}
