//go:build !gc || !(amd64 || arm64) || weir_nolinkname

package prefetch

// Turn is nothing: it is not known here whose turn comes next.
type Turn struct{}

// GiveWay does nothing.
func GiveWay(then, also Addr) Turn { return Turn{} }

// GoOn does nothing.
func (Turn) GoOn() {}
