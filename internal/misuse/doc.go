// Package misuse calls everything that users may call, with invalid arguments.
//
// It is only a test. It calls every exported function and method of packages aio, aio/op, coro and
// runtime with nil, zero, negative, huge and closed arguments, at random, on every backend and
// drive. A call may fail, or panic with a text of weir's. It must return, it must not dereference
// nil or index out of range inside weir, and everything else must go on.
package misuse
