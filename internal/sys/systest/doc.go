// Package systest helps tests of what talks to the kernel: it makes system calls fail, has memory
// miss pages, and counts what a process has open.
package systest
