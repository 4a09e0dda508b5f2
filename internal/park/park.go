// Package park blocks and wakes a goroutine with the primitives that Go's own netpoller uses:
// without a channel, its lock, and the record that the runtime keeps of each goroutine that waits
// on one. That saves 230 bytes for each waiting goroutine, of which a server may have very many.
// The package also yields without waking other processors.
//
// Go's runtime keeps these primitives open to linkname. In some builds they are not available: with
// the build tags weir_nopark and weir_nolinkname, with releases of Go that weir has not been tried
// on, with other compilers, and with a sanitizer, which must not see what they do. In those
// [Direct] is false, package sched waits on a channel, and [Yield] is runtime.Gosched.
package park
