package backends

import "github.com/weirgo/weir/internal/sys"

// Region is memory that a Registrar knows. Its Index is below MaxRegions, and no two that a backend
// knows share one.
type Region = sys.Region

// MaxRegions bounds the regions that a backend knows at a time.
const MaxRegions = 256

// Registrar is implemented by backends that do reads and writes faster on memory that they know in
// advance. It concerns operations with Args.Region and a Buf in that. What a backend does not know,
// or not any more, it does as ever.
type Registrar interface {
	// Register has the backend know r, which takes as long as it takes to find and pin its pages.
	// To register what is known is no error and does nothing. It is called as the methods of
	// Backend are, after Bind.
	Register(r *Region) error

	// Unregister undoes it. No operation on r may be in flight. To unregister what is not known
	// does nothing.
	Unregister(r *Region)
}
