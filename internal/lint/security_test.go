package lint

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// kernelLists are the lists in SECURITY.md of what weir asks of io_uring: how each begins there,
// and the prefix that its members have as constants of internal/sys.
var kernelLists = []struct{ heading, prefix string }{
	{"* Operations: ", "Op"},
	{"* Registrations: ", "Register"},
	{"* Set-up flags: ", "Setup"},
}

// kernelNames are the constants with this prefix that the io_uring backend uses, in lower case and
// without the prefix.
func kernelNames(files []*file, prefix string) []string {
	var names []string
	for _, f := range files {
		// abi.go declares them all, and giouring's ring is for tests.
		sys := f.dir() == "internal/sys" && f.path != "internal/sys/abi.go"
		if f.test() || !sys && f.dir() != "backends/uring" || !f.matchesAnywhere(without("giouring")) {
			continue
		}
		add := func(name string) {
			if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && token.IsExported(rest) {
				names = append(names, strings.ToLower(rest))
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr: // elsewhere: sys.OpRead
				if id, ok := n.X.(*ast.Ident); ok && id.Name == "sys" {
					add(n.Sel.Name)
				}
			case *ast.CallExpr: // in sys itself: Register(fd, RegisterProbe, ...)
				for _, arg := range n.Args {
					if id, ok := arg.(*ast.Ident); ok && sys {
						add(id.Name)
					}
				}
			}
			return true
		})
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var capitals = regexp.MustCompile(`\b[A-Z][A-Z0-9_]+\b`)

// listed are the words in capitals of the list with this heading, in lower case and without
// underscores.
func listed(text, heading string) []string {
	_, list, _ := strings.Cut(text, heading)
	if end := strings.Index(list, "\n*"); end >= 0 {
		list = list[:end]
	}
	list, _, _ = strings.Cut(list, "\n\n")
	names := capitals.FindAllString(list, -1)
	for i, name := range names {
		names[i] = strings.ToLower(strings.ReplaceAll(name, "_", ""))
	}
	slices.Sort(names)
	return names
}

// TestSecurityLists holds SECURITY.md to its word about which parts of io_uring are used.
func TestSecurityLists(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(moduleRoot, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := load(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range kernelLists {
		used, said := kernelNames(files, l.prefix), listed(string(text), l.heading)
		if len(used) == 0 || !slices.Equal(used, said) {
			t.Errorf("SECURITY.md says of %q\n%q\nand the code uses\n%q\nIf the code is right, think about what the "+
				"change exposes and then change the list.", l.heading, said, used)
		}
	}
}

func TestKernelNames(t *testing.T) {
	var files []*file
	for name, src := range map[string]string{
		"backends/uring/a.go": "package uring; var _ = sys.OpRead; func f() { g(sys.OpLinkTimeout|1, " +
			"sys.Operate, other.OpTee) }",
		"backends/uring/a_test.go":  "package uring; var _ = sys.OpWrite",
		"backends/uring/gi.go":      "//go:build giouring\n\npackage uring; var _ = sys.OpSplice",
		"internal/sys/ring.go":      "package sys; func f() { f(OpNop); f(op) }",
		"internal/sys/abi.go":       "package sys; var _ = f(OpClose)",
		"internal/sys/name.go":      "package sys; const OpAccept = 1",
		"backends/other/uring/a.go": "package uring; var _ = sys.OpConnect",
	} {
		f, err := parse(name, []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if got, want := kernelNames(files, "Op"), []string{"linktimeout", "nop", "read"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	text := "Words.\n\n* Some: READ LINK_TIMEOUT\n  NOP\n* More: TEE\n\nNever SPLICE.\n"
	if got, want := listed(text, "* Some: "), []string{"linktimeout", "nop", "read"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := listed(text, "* More: "), []string{"tee"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
