// Package weir is the map of this module and holds no code. Programs import what they use of:
//
//   - [github.com/weirgo/weir/aio]: connections, listeners, files, timers: what packages net and os
//     have. Begin here.
//   - [github.com/weirgo/weir/aio/op]: operations as values, in lists in which one waits for
//     another; aio.Do and aio.Start run them.
//   - [github.com/weirgo/weir/coro]: coroutines on a loop's own thread, and connections and files
//     for them.
//   - [github.com/weirgo/weir/runtime]: the loops underneath, for programs that want callbacks.
//   - [github.com/weirgo/weir/sched]: the data structures of the loops: intake, timing wheel,
//     limit.
//   - [github.com/weirgo/weir/backends]: the interface between a loop and the kernel, to write a
//     backend against.
package weir
