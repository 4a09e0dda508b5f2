package lint

import (
	"bytes"
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"unicode/utf8"
)

// The widest a line may be, in columns. A tab counts as four.
const (
	maxComment = 100
	maxCode    = 120
)

// wide are files whose lines may be longer, and why.
var wide = map[string]string{
	"internal/lint/catches_test.go": "a row holds a whole file",
}

// checkColumns bounds the width of lines. Directives have no choice, and a raw string that is long
// cannot be broken.
func checkColumns(f *file, report reporter) {
	if wide[f.path] != "" {
		return
	}
	raw := f.rawLines()
	at := f.set.File(f.ast.Pos())
	for i, line := range bytes.Split(f.src, []byte("\n")) {
		text := string(bytes.TrimSpace(line))
		what, limit := "code", maxCode
		if strings.HasPrefix(text, "//") {
			what, limit = "comment", maxComment
		}
		n := utf8.RuneCount(line) + 3*bytes.Count(line, []byte("\t"))
		if n > limit && !raw[i+1] && !strings.HasPrefix(text, "//go:") {
			report(at.LineStart(i+1), "%d columns of %s, and %d is the limit. Break it: a line is to be read in one "+
				"glance, also beside another file.", n, what, limit)
		}
	}
}

// rawLines returns the lines of raw strings that are long, or that span lines.
func (f *file) rawLines() map[int]bool {
	const long = 60
	lines := map[int]bool{}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if s, ok := n.(*ast.BasicLit); ok && s.Kind == token.STRING && s.Value[0] == '`' {
			first, last := f.set.Position(s.Pos()).Line, f.set.Position(s.End()).Line
			for i := first; i <= last && (first < last || len(s.Value) > long); i++ {
				lines[i] = true
			}
		}
		return true
	})
	return lines
}

// persons are files that may use these words, and why.
var persons = map[string]string{
	"internal/sys/systest/child_linux.go": "nobody is a user",
}

var person = regexp.MustCompile(`(?i)\b(who|whoever|nobody|somebody|everybody)\b`)

func checkPersons(f *file, report reporter) {
	if persons[f.path] != "" {
		return
	}
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			if word := person.FindString(c.Text); word != "" {
				report(c.Pos(), "%q: no goroutine, operation or process is a person. Say which of them does what.",
					word)
			}
		}
	}
}
