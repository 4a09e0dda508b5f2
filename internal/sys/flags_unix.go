//go:build unix && !aix

package sys

import "golang.org/x/sys/unix"

// MsgDontWait is MSG_DONTWAIT: the call does not wait, whatever the descriptor's mode.
const MsgDontWait = unix.MSG_DONTWAIT
