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
	forKinds(t, func(t *testing.T, cfg Config) {
		openOrSkip(t, cfg).Close()
		runtime.LockOSThread() // a thread's ring serves the one that called Bind alone, and that within Bind already
		defer runtime.UnlockOSThread()
		for name, op := range map[string]sys.Opcode{
			"NOP": sys.OpNop, "POLL_ADD": sys.OpPollAdd, "TIMEOUT": sys.OpTimeout, "TIMEOUT_REMOVE": sys.OpTimeoutRemove,
			"ASYNC_CANCEL": sys.OpAsyncCancel,
		} {
			cfg.Deny = []sys.Opcode{op}
			b := openOrSkip(t, cfg)
			err := b.Bind(cfg.Thread)
			if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), name) {
				t.Errorf("without %s: %v", name, err)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
		cfg.Deny = []sys.Opcode{sys.OpRecv}
		b := openOrSkip(t, cfg)
		if err := b.Bind(cfg.Thread); err != nil {
			t.Errorf("without RECV: %v", err)
		}
		b.Close()
	})
}
