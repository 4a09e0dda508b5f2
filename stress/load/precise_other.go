//go:build !linux

package load

// Precise is Goroutines on this system.
type Precise struct{ Goroutines }

// NewPrecise returns a lane.
func NewPrecise() *Precise { return new(Precise) }

// Close does nothing.
func (p *Precise) Close() error { return nil }
