//go:build !linux

package portable

import "github.com/weirgo/weir/backends"

// bell is nothing here: the scheduler drive is for Linux. Loops run on threads.
type bell struct{}

func (bell) ring()        {}
func (bell) hush()        {}
func (bell) rings() bool  { return false }
func (bell) close() error { return nil }

func (b *Backend) withBell() (backends.Backend, error) { return b, nil }
