package sys

import "unsafe"

// Bytes returns the memory of s without a copy. It must only be read.
func Bytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
