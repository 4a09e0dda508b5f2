package sys

import "unsafe"

// Bytes is the memory of s, without a copy: only for what is read.
func Bytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
