package portable

import (
	"testing"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/backendtest"
)

func TestConformance(t *testing.T) {
	for _, kind := range []struct {
		name   string
		thread bool
	}{{"Thread", true}, {"Shared", false}} {
		t.Run(kind.name, func(t *testing.T) {
			backendtest.Run(t, backendtest.SoftOS(kind.thread, func(t testing.TB, entries, _ int) backends.Backend {
				b, err := Open(Config{Entries: entries, Thread: kind.thread})
				if err != nil {
					t.Fatal(err)
				}
				return b
			}))
		})
	}
}
