package lint

import "slices"

// mayHTTP lists the packages besides tests that may import net/http, written like layer.pkg.
var mayHTTP = []string{"inspect", "inspect/register", "examples/...", "cmd/...", "internal/citizen"}

// checkHTTP keeps net/http, and what registers itself there, out of what every program on weir
// links.
func checkHTTP(f *file, report reporter) {
	if f.test() || slices.Contains(testSupport, f.dir()) ||
		slices.ContainsFunc(mayHTTP, func(p string) bool { return matches(p, f.dir()) }) {
		return
	}
	for _, im := range f.imports() {
		if under(im.path, "net/http") || im.path == "expvar" {
			report(im.pos, "%s must not import %s: a program that serves no HTTP would link it. Package inspect is "+
				"the place "+
				"for handlers.", f.dir(), im.path)
		}
	}
}
