package runtime

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// The goroutine that submits an operation checks it. A tick may run on another goroutine, and has
// no way to report an error to the submitter.

var (
	errNoCompletion = fmt.Errorf("weir: nil Completion: %w", sys.EINVAL)
	errNoBatch      = fmt.Errorf("weir: nil Batch: %w", sys.EINVAL)
	errNoCallback   = errors.New("weir: Completion submitted without a Callback")
	errNoFunction   = fmt.Errorf("weir: nil function: %w", sys.EINVAL)
	errMulti        = errors.New("weir: Op.Multi is set: this operation reports more than once")
)

// mustBeMade panics for a Loop that neither [NewLoop] nor a [Runtime] made.
func (l *Loop) mustBeMade() {
	if l == nil || l.be == nil {
		panic("weir: use of a Loop that is nil or zero: NewLoop makes one")
	}
}

// mustBeMade panics for a Runtime that [New] did not make.
func (r *Runtime) mustBeMade() {
	if r == nil || r.place == nil {
		panic("weir: use of a Runtime that is nil or zero: New makes one")
	}
}

// mustContext panics for a nil context.
func mustContext(ctx context.Context) {
	if ctx == nil {
		panic("weir: nil context")
	}
}

// check reports why c cannot be submitted by itself.
func (c *Completion) check() error {
	err := c.Op.Check()
	if err == nil && c.Op.Code.OfLoop() {
		err = c.checkOfLoop(false)
	}
	if err == nil || err == sys.EBADF { // a kernel reports it as well
		return err
	}
	return fmt.Errorf("weir: %s: %w", c.Op.Code, err)
}

// checkMember reports why c cannot be part of a Batch.
func (c *Completion) checkMember() error {
	switch err := c.Op.Check(); {
	case err != nil:
		return err
	case c.Op.Multi:
		return errMulti
	case c.Op.Code.OfLoop():
		return c.checkOfLoop(true)
	}
	return nil
}

// checkOfLoop checks what no backend sees.
func (c *Completion) checkOfLoop(member bool) error {
	var rare rare
	if c.rare != nil {
		rare = *c.rare
	}
	why := ""
	switch code := c.Op.Code; {
	case c.Op.Multi:
		return errMulti
	case code == backends.OpBatch:
		why = "a Batch is not submitted as a Completion"
	case code == backends.OpBlocking && rare.work == nil:
		why = "no function: see Block"
	case code == backends.OpEventWait && rare.event == nil:
		why = "no Event: see At"
	case code == backends.OpTimeout, code == backends.OpAsync, code == backends.OpBlocking,
		code == backends.OpEventWait:
		return nil
	case !member:
		why = "it is for a Batch"
	case code == backends.OpCancel && c.other == nil:
		why = "nothing to cancel: see Aim"
	case code == backends.OpCancel, code == backends.OpLinkTimeout:
		return nil
	case rare.event == nil: // to notify or to close
		why = "no Event: see At"
	default:
		return nil
	}
	return fmt.Errorf("%s: %w", why, sys.EINVAL)
}

// MemberError says which operation of a [Batch] is invalid. Nothing of the Batch was submitted.
type MemberError struct {
	Index int
	Err   error
}

func (e *MemberError) Error() string { return fmt.Sprintf("operation %d: %v", e.Index, e.Err) }

// Unwrap returns Err.
func (e *MemberError) Unwrap() error { return e.Err }
