package runtime

import "github.com/weirgo/weir/backends"

func perform(op *backends.Op) int32               { return backends.Perform(op) }
func try(op *backends.Op, done int) (int32, bool) { return backends.Try(op, done) }
func readiness(op *backends.Op) uint32            { return backends.Readiness(op) }
func quick(op *backends.Op) bool                  { return backends.Quick(op) }
