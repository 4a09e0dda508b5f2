// Package testenv stands in for internal/testenv: of what tests ask for, everything is there but
// cgo and other machines.
package testenv

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
)

// onLoopback are tests that ask for other machines and do without.
var onLoopback = []string{
	"TestWildWildcardListener", "TestIPv4MulticastListener", "TestIPv6MulticastListener", "TestTCPListenerName",
	"TestUDPConnLocalName", "TestIPv6LinkLocalUnicastTCP", "TestIPv6LinkLocalUnicastUDP",
}

func MustHaveExternalNetwork(t testing.TB) {
	t.Helper()
	if !slices.Contains(onLoopback, t.Name()) {
		t.Skip("it wants other machines, and all traffic stays on loopback")
	}
}

func MustHaveCGO(t testing.TB) { t.Helper(); t.Skip("no cgo") }

func Builder() string                   { return "" }
func CPUIsSlow() bool                   { return false }
func HasCGO() bool                      { return false }
func HasExternalNetwork() bool          { return true } // see MustHaveExternalNetwork
func HasGoBuild() bool                  { return true }
func HasLink() bool                     { return true }
func HasParallelism() bool              { return true }
func HasSymlink() bool                  { return true }
func MustHaveExec(testing.TB)           {}
func MustHaveGoBuild(testing.TB)        {}
func MustHaveGoRun(testing.TB)          {}
func MustHaveLink(testing.TB)           {}
func MustHaveParallelism(testing.TB)    {}
func MustHaveSource(testing.TB)         {}
func MustHaveSymlink(testing.TB)        {}
func ParallelOn64Bit(t *testing.T)      { t.Parallel() }
func SkipFlaky(testing.TB, int)         {}
func SkipFlakyNet(testing.TB)           {}
func SkipIfOptimizationOff(testing.TB)  {}
func SkipIfShortAndSlow(testing.TB)     {}
func CleanCmdEnv(c *exec.Cmd) *exec.Cmd { return c }

//lint:ignore SA1019 the tests run where they were built
func GOROOT(testing.TB) string       { return runtime.GOROOT() }
func GoToolPath(t testing.TB) string { return filepath.Join(GOROOT(t), "bin", "go") }

func Executable(t testing.TB) string {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func Command(t testing.TB, name string, args ...string) *exec.Cmd {
	return exec.Command(name, args...)
}

func CommandContext(t testing.TB, ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, name, args...)
}

func SyscallIsNotSupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS)
}
