// Package lint holds rules about this module's source that the compiler cannot hold, as tests: who
// may import what, which names and functions are off limits, how long a file may get, what a build
// constraint must say.
//
// The rules read files themselves, with os and go/parser. They run no command: a test that asks "go
// list" is cached over changes that go list would have seen. Every rule is also shown a file that
// breaks it, so that it can fail.
package lint
