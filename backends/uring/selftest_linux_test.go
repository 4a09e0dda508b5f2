package uring

import (
	"errors"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/weirgo/weir/internal/sys"
)

// A ring on which something is denied that no loop can do without does not start, and says what.
func TestFault45EssentialDenied(t *testing.T) {
	openOrSkip(t, Config{}).Close()
	runtime.LockOSThread() // a ring serves the one that called Bind alone, and that within Bind already
	defer runtime.UnlockOSThread()
	for name, op := range map[string]sys.Opcode{
		"NOP": sys.OpNop, "POLL_ADD": sys.OpPollAdd, "ASYNC_CANCEL": sys.OpAsyncCancel,
	} {
		b := openOrSkip(t, Config{Deny: []sys.Opcode{op}})
		err := b.Bind(true)
		if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	b := openOrSkip(t, Config{Deny: []sys.Opcode{sys.OpRecv, sys.OpTimeout, sys.OpTimeoutRemove}})
	if err := b.Bind(true); err != nil {
		t.Errorf("without what a loop can do without: %v", err)
	}
	b.Close()
}
