//go:build !gc || !(amd64 || arm64) || go1.27 || weir_noprefetch || weir_nolinkname

package prefetch

// Turn is empty: in this build the order of goroutines is not known.
type Turn struct{}

// GiveWay does nothing.
func GiveWay(then, also, data Addr) (t Turn, time int64) { return }

// Tell does nothing.
func (Turn) Tell(now int64) {}

// GoOn does nothing.
func (Turn) GoOn() {}
