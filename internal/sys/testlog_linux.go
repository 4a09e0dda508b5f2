package sys

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Tested says that go test runs the program and records which files it uses: if one of them
// changes, go test does not take the result from its cache the next time.
var Tested = slices.ContainsFunc(os.Args, func(arg string) bool { return strings.HasPrefix(arg, "-test.testlogfile=") })

// LogOpen tells go test that the file is about to be opened. The record is internal to the standard
// library (internal/testlog), so package os opens the file too, in the one way that has no effects:
// with O_PATH it asks no device and does not wait for the other end of a FIFO, and closing it loses
// no record locks.
func LogOpen(name string) {
	if !Tested {
		return
	}
	if f, err := os.OpenFile(name, unix.O_PATH, 0); err == nil {
		f.Close()
	}
}

// LogStat tells go test that the file is about to be looked up. If it is a link, that includes the
// link's target.
func LogStat(name string) {
	if Tested {
		os.Lstat(name)
	}
}
