package runtime

import (
	"errors"
	"go/build"
	"testing"
)

// TestAndroid guards that io_uring is never tried on Android, where trying it ends the program, and
// that what is left is built there.
func TestAndroid(t *testing.T) {
	if mayProbe("android") || !mayProbe("linux") {
		t.Error("android may probe, or linux may not")
	}
	if !errors.Is(errAndroid, errors.ErrUnsupported) {
		t.Errorf("%v is not ErrUnsupported", errAndroid)
	}
	ctxt := build.Default
	ctxt.GOOS, ctxt.GOARCH = "android", "arm64"
	for _, name := range []string{"candidates_linux.go", "candidates_portable.go"} {
		if ok, err := ctxt.MatchFile(".", name); !ok || err != nil {
			t.Errorf("%s is not built for android: %v", name, err)
		}
	}
	if last := candidates[len(candidates)-1].name; last != "portable" {
		t.Errorf("the last candidate is %s, want the one that needs nothing: portable", last)
	}
}
