package systest

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// childEnv names the test that a process was started for.
const childEnv = "WEIR_TEST_CHILD"

// InChild reports whether the process was started by a command of Command's for the calling test or
// one below it.
func InChild(t testing.TB) bool {
	name, ok := strings.CutPrefix(os.Getenv(childEnv), t.Name())
	return ok && (name == "" || name[0] == '/')
}

// Command returns a command that runs the calling test again in a process of its own.
func Command(t testing.TB) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.run=^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$", "-test.v", "-test.timeout=2m"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+t.Name(), "GORACE=atexit_sleep_ms=0") // or each takes a second
	return cmd
}

// Child runs the calling test again in a process of its own, and inside there, which may do to its
// process what it likes. The test passes, fails and skips as it does there. adjust changes the
// command before it is run.
func Child(t *testing.T, inside func(), adjust ...func(*exec.Cmd)) {
	t.Helper()
	if InChild(t) {
		inside()
		return
	}
	cmd := Command(t)
	for _, f := range adjust {
		f(cmd)
	}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP: "+t.Name()+" ("):
		t.Skipf("%s", out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()+" ("):
		t.Errorf("the child did not run the test:\n%s", out)
	default:
		t.Logf("%s", out)
	}
}

// nobody is a user and a group without rights.
const nobody = 65534

// Nobody takes the rights of a root user from the process, for good: they exempt it from limits. It
// is for child processes.
func Nobody(t testing.TB) {
	t.Helper()
	if os.Getuid() == 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			t.Skip("root's rights cannot be given up here: ", err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil { // or else /proc/self/fd is root's
		t.Fatal(err)
	}
}

// Limit sets a resource limit of the process, RLIMIT_NOFILE and the like, for good. It is for child
// processes.
func Limit(t testing.TB, resource int, n uint64) {
	t.Helper()
	if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: n, Max: n}); err != nil {
		t.Fatal("setrlimit: ", err)
	}
}
