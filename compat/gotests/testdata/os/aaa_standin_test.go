package os_test

import (
	"testing"

	"gotests/os"
)

// testMaybeRooted runs f without a Root.
func testMaybeRooted(t *testing.T, f func(t *testing.T, r *os.Root)) {
	t.Run("NoRoot", func(t *testing.T) {
		t.Chdir(t.TempDir())
		f(t, nil)
	})
}

// Copies in the kernel: what the results are is seen, not that its system calls made them.

type spliceFileHook struct {
	called, handled bool
	dstfd, srcfd    int
	remain, written int64
	err             error
}

func hookCopyFileRange(*testing.T) (*copyFileHook, string) {
	return new(copyFileHook), "hookCopyFileRange"
}
func hookSpliceFile(*testing.T) *spliceFileHook { return new(spliceFileHook) }
func hookSendFile(*testing.T) *sendFileHook     { return new(sendFileHook) }
