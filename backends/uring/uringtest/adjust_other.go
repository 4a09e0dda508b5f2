//go:build !linux

package uringtest

// FromEnv does nothing: only Linux has rings.
func FromEnv() {}
