//go:build !linux

package runtime

var candidates []candidate
