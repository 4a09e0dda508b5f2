//go:build !unix || aix

package sys

// MsgDontWait is MSG_DONTWAIT, which no call of this system knows. The number is Linux's.
const MsgDontWait = 0x40
