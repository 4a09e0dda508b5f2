// Package godebug stands in for internal/godebug: every setting has its default.
package godebug

// A Setting is a GODEBUG setting that is not set.
type Setting struct{}

func New(name string) *Setting { return &Setting{} }

func (*Setting) Value() string  { return "" }
func (*Setting) IncNonDefault() {}
