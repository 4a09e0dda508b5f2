package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	modulePath = "github.com/weirgo/weir"
	moduleRoot = "../.."
)

// rules are all there are. Each looks at one file; what it reports says what is wrong, why, and
// what to do.
var rules = []rule{
	{"layers", checkLayers},
	{"dependencies", checkDependencies},
	{"unsafe", checkUnsafe},
	{"runtime-alias", checkRuntimeAlias},
	{"runtime-names", checkRuntimeNames},
	{"typed-atomics", checkTypedAtomics},
	{"length", checkLength},
	{"columns", checkColumns},
	{"leftovers", checkLeftovers},
	{"persons", checkPersons},
	{"constraints", checkConstraints},
	{"build-tags", checkBuildTags},
	{"linknames", checkLinknames},
	{"http", checkHTTP},
}

type rule struct {
	name  string
	check func(f *file, report reporter)
}

// A reporter takes what is wrong at pos, or with the file as a whole if there is no pos.
type reporter func(pos token.Pos, format string, args ...any)

// A file is one Go file of the module.
type file struct {
	path string // below the module's root, with slashes
	src  []byte
	set  *token.FileSet
	ast  *ast.File
}

// dir is the directory below the module's root: the import path without the module's. The root is
// ".".
func (f *file) dir() string { return path.Dir(f.path) }

func (f *file) test() bool { return strings.HasSuffix(f.path, "_test.go") }

// example reports whether the file has the examples of a package's documentation, and is outside of
// that package.
func (f *file) example() bool {
	return f.test() && strings.HasPrefix(path.Base(f.path), "example_") && strings.HasSuffix(f.ast.Name.Name, "_test")
}

// An imported is one import: its path, and the name given to it, if any.
type imported struct {
	path, name string
	pos        token.Pos
}

func (f *file) imports() []imported {
	var list []imported
	for _, spec := range f.ast.Imports {
		p, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
		im := imported{path: p, pos: spec.Pos()}
		if spec.Name != nil {
			im.name = spec.Name.Name
		}
		list = append(list, im)
	}
	return list
}

// inModule is the directory of an imported package of this module, nested modules included.
func (im imported) inModule() (dir string, ok bool) {
	if im.path == modulePath {
		return ".", true
	}
	return strings.CutPrefix(im.path, modulePath+"/")
}

func parse(name string, src []byte) (*file, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, name, src, parser.ParseComments|parser.SkipObjectResolution)
	return &file{name, src, set, tree}, err
}

// apply returns what r has against f, one line each.
func (r rule) apply(f *file) []string {
	var problems []string
	r.check(f, func(pos token.Pos, format string, args ...any) {
		where := f.path
		if pos.IsValid() {
			where = fmt.Sprintf("%s:%d", f.path, f.set.Position(pos).Line)
		}
		problems = append(problems, where+": "+fmt.Sprintf(format, args...))
	})
	return problems
}

// load parses the Go files of the module at root, whatever system they are for. It leaves out what
// go leaves out (names that begin with . or _, testdata, vendor) and modules in directories of
// their own: those may depend on what they like.
func load(root string) ([]*file, error) {
	var files []*file
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		base := d.Name()
		hidden := base[0] == '.' || base[0] == '_'
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil || hidden || base == "testdata" ||
				base == "vendor" {
				return fs.SkipDir
			}
			return nil
		}
		if hidden || filepath.Ext(base) != ".go" {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f, err := parse(filepath.ToSlash(rel), src)
		files = append(files, f)
		return err
	})
	return files, err
}

// TestModule holds the module to the rules.
func TestModule(t *testing.T) {
	files, err := load(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"runtime/std.go", "internal/lint/lint_test.go"} {
		if !slices.ContainsFunc(files, func(f *file) bool { return f.path == known }) {
			t.Fatalf("%s was not found among %d files: the rules look in the wrong place", known, len(files))
		}
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, f := range files {
				for _, p := range r.apply(f) {
					t.Error(p)
				}
			}
		})
	}

	// An exception that is not needed is one that will be used.
	t.Run("exceptions", func(t *testing.T) {
		for name := range longFiles {
			i := slices.IndexFunc(files, func(f *file) bool { return f.path == name })
			if i < 0 || files[i].lines() <= maxLines {
				t.Errorf("longFiles: %s is gone or short enough by now. Delete its row.", name)
			}
		}
		for name := range rawAtomics {
			if !slices.ContainsFunc(files, func(f *file) bool { return under(f.path, name) }) {
				t.Errorf("rawAtomics: there is no %s. Delete its row.", name)
			}
		}
	})
}

func TestLoad(t *testing.T) {
	root := t.TempDir()
	for name, src := range map[string]string{
		"go.mod":                "module m\n",
		"top.go":                "package m",
		"a/b/deep_linux.go":     "package b",
		"a/b/deep_test.go":      "package b",
		"a/notes.md":            "not Go",
		"nested/go.mod":         "module m/nested\n",
		"nested/x.go":           "package nested",
		"nested/under/x.go":     "package under",
		"a/testdata/x.go":       "package testdata",
		"vendor/v/x.go":         "package v",
		".hidden/x.go":          "package hidden",
		"_old/x.go":             "package old",
		"a/_x.go":               "package a",
		"internal/tools/go.mod": "module m/internal/tools\n",
		"internal/tools/x.go":   "package tools",
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(src), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	files, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.path)
	}
	if want := []string{"a/b/deep_linux.go", "a/b/deep_test.go", "top.go"}; !slices.Equal(got, want) {
		t.Errorf("load found %q, want %q", got, want)
	}

	if err := os.WriteFile(filepath.Join(root, "bad.go"), []byte("package"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := load(root); err == nil {
		t.Error("load took a file that is not Go without a word")
	}
}
