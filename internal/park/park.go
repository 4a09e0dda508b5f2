// Package park blocks a goroutine, and wakes it, with the primitives that Go's own netpoller does
// it with: without a channel, its lock, and the record that the runtime keeps of everybody who
// waits for one. That is 230 bytes less for each goroutine that waits, of which a server may have
// very many. It also lets others run without a word to other processors.
//
// Go's runtime keeps them open to linkname. Where they are not to be had (the build tags
// weir_nopark and weir_nolinkname, releases of Go on which weir has not been tried, other
// compilers, builds with a sanitizer, which must not see what they do) [Direct] is false, package
// sched waits for a channel, and [Yield] is runtime.Gosched.
package park
