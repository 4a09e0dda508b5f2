// Package lint checks, as tests, rules about this module's source that the compiler cannot check:
// which package may import which, which names and functions are forbidden, how long a file and a
// line may be, what a build constraint must say, which words comments avoid.
//
// The rules read files themselves, with os and go/parser. They run no command: the go command
// caches a test that runs "go list" over changes that go list would have seen. Every rule also has
// a file that breaks it, to show that the rule can fail.
package lint
