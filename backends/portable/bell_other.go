//go:build !linux

package portable

import "github.com/weirgo/weir/backends"

// bell does nothing here: only Linux has the scheduler drive. Loops run on threads.
type bell struct{}

func (bell) ring()        {}
func (bell) hush()        {}
func (bell) rings() bool  { return false }
func (bell) close() error { return nil }

func (b *Backend) withBell() (backends.Backend, error) { return b, nil }
