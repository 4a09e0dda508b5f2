//go:build !unix || aix

package sys

import "errors"

// Dup is for systems whose operations work on descriptors.
func Dup(int) (int, error) { return -1, errors.ErrUnsupported }

// CloseDup closes what Dup made.
func CloseDup(int) error { return errors.ErrUnsupported }
