//go:build !linux

package runtime

// candidates in order of preference. kqueue, iocp and wasi take their places before portable.
var candidates = []candidate{{"portable", openPortable}}
