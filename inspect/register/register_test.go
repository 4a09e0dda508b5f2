package register

import (
	"net/http"
	"testing"
)

// TestRegister guards that the import is all it takes.
func TestRegister(t *testing.T) {
	r, err := http.NewRequest("GET", "/debug/weir/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, pattern := http.DefaultServeMux.Handler(r); pattern != "/debug/weir/" {
		t.Errorf("the pattern of /debug/weir/ is %q", pattern)
	}
}
