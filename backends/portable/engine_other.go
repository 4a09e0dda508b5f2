//go:build !unix || aix

package portable

import (
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

const engineDetail = "no operations on descriptors"

// engine refuses every operation: these systems have no descriptors that all operations could work
// on.
type engine struct{ b *Backend }

func (e *engine) open(b *Backend, _ int) error {
	e.b = b
	return nil
}

func (e *engine) start(c *backends.Completion) {
	e.b.post(backends.Event{ID: c.ID, Res: -int32(sys.ENOSYS)})
}

func (e *engine) cancel(backends.ID) {}
func (e *engine) flush()             {}
func (e *engine) reaped()            {}
func (e *engine) shrink(_, _ uint32) {}
func (e *engine) close()             {}
