package sys

import "golang.org/x/sys/unix"

// Release returns the kernel's name and version: "linux 6.12.1".
func Release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "linux"
	}
	return "linux " + unix.ByteSliceToString(u.Release[:])
}
