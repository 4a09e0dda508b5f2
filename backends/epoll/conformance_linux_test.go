package epoll

import (
	"fmt"
	"testing"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/backendtest"
)

func open(t testing.TB, cfg Config) *Backend {
	t.Helper()
	b, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Both bindings pass the suite, with epoll_pwait2 and without, and with a pool that does one thing at a time.
func TestConformance(t *testing.T) {
	for _, thread := range []bool{true, false} {
		for _, cfg := range []Config{{}, {coarse: true}, {Workers: 1}} {
			t.Run(fmt.Sprintf("thread=%v,coarse=%v,workers=%d", thread, cfg.coarse, cfg.Workers), func(t *testing.T) {
				backendtest.Run(t, backendtest.OS(thread, func(t testing.TB, _, _ int) backends.Backend { return open(t, cfg) }))
			})
		}
	}
}
