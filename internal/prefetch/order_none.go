//go:build !gc || !(amd64 || arm64) || go1.27 || weir_noprefetch || weir_nolinkname

package prefetch

// Turn is nothing: it is not known here whose turn comes next.
type Turn struct{}

// GiveWay does nothing.
func GiveWay(then, also, data Addr) (t Turn, time int64) { return }

// Tell does nothing.
func (Turn) Tell(now int64) {}

// GoOn does nothing.
func (Turn) GoOn() {}
