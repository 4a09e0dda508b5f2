//go:build gc && !race && !msan && !asan && !go1.27 && !weir_nopark && !weir_nolinkname

package park

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReasons guards that what stacks and traces say of a goroutine that waits is what it is in the
// Go release in use: they are numbers that a release may move.
func TestReasons(t *testing.T) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skip("no go command that says where the source of Go's runtime is:", err)
	}
	for _, tt := range []struct {
		file, first, name string
		want              int
	}{
		{"runtime2.go", "waitReasonZero", "waitReasonIOWait", waitReasonIOWait},
		{"traceruntime.go", "traceBlockGeneric", "traceBlockNet", traceBlockNet},
	} {
		f, err := os.Open(filepath.Join(strings.TrimSpace(string(goroot)), "src", "runtime", tt.file))
		if err != nil {
			t.Skip("the source of Go's runtime is not here:", err)
		}
		defer f.Close()
		got, n := -1, -1
		for lines := bufio.NewScanner(f); lines.Scan() && got < 0; {
			name, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
			if n < 0 && !(name == tt.first && strings.Contains(rest, "= iota")) {
				continue // not there yet
			}
			if n++; name == tt.name {
				got = n
			}
		}
		if got != tt.want {
			t.Errorf("%s is %d in this release, here %d", tt.name, got, tt.want)
		}
	}
}
