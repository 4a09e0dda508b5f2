package sys

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Tested says that go test runs the program and wants to know which files it uses: if one of them
// changes, it does not take the result from its cache the next time.
var Tested = slices.ContainsFunc(os.Args, func(arg string) bool { return strings.HasPrefix(arg, "-test.testlogfile=") })

// LogOpen tells go test that the file is about to be opened. The way there is internal to the
// standard library (internal/testlog), so package os opens it, too, in the one way that has no
// effects: O_PATH asks no device, waits for no other end of a FIFO, and when it is closed no record
// locks are lost.
func LogOpen(name string) {
	if !Tested {
		return
	}
	if f, err := os.OpenFile(name, unix.O_PATH, 0); err == nil {
		f.Close()
	}
}

// LogStat tells go test that the file is about to be looked at, also if it is at the end of a link.
func LogStat(name string) {
	if Tested {
		os.Lstat(name)
	}
}
