//go:build !linux

package runtime

// candidates are the backends, in order of preference. Backends for kqueue and IOCP would come
// before portable.
var candidates = []candidate{{name: "portable", open: openPortable}}
