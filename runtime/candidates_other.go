//go:build !linux

package runtime

// candidates in order of preference. Backends for kqueue and iocp would take their places before portable.
var candidates = []candidate{{name: "portable", open: openPortable}}
