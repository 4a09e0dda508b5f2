package citizen

import (
	"os"
	"testing"
)

// specEnv holds the spec, as JSON, of a process that was started as a server.
const specEnv = "WEIR_CITIZEN"

func TestMain(m *testing.M) {
	// A server never gets to m.Run, whose time limit is a timer of Go's: with one in the process
	// the row compute finds nothing.
	if spec := os.Getenv(specEnv); spec != "" {
		if err := serveSpec(spec); err != nil {
			os.Stderr.WriteString("citizen: " + err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
