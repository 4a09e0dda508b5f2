//go:build !unix || aix

package sys

import "errors"

// Dup fails: on these systems operations do not work on descriptors.
func Dup(int) (int, error) { return -1, errors.ErrUnsupported }

// CloseDup fails, as Dup does.
func CloseDup(int) error { return errors.ErrUnsupported }
