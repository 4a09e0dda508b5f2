package backends

import "github.com/weirgo/weir/internal/sys"

// Region is memory that a [Registrar] knows. Its Index is below [MaxRegions] and unique within a
// backend.
type Region = sys.Region

// MaxRegions bounds the regions that a backend knows at a time.
const MaxRegions = 256

// Registrar is implemented by backends that read and write faster on memory that they know in
// advance. It concerns operations with Args.Region and a Buf inside it. A backend performs an
// operation on memory that it does not know, or no longer knows, as on any other memory.
type Registrar interface {
	// Register makes r known to the backend, which takes as long as finding and pinning its pages.
	// To register a known region does nothing and is no error. The rules for the methods of Backend
	// apply, after Bind.
	Register(r *Region) error

	// Unregister undoes Register. No operation on r may be in flight. To unregister an unknown
	// region does nothing.
	Unregister(r *Region)
}
