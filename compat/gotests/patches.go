package main

import (
	"fmt"
	"path"
	"regexp"
)

// patchesAreFor is the release of Go whose tests the patches and stand-ins are made for.
const patchesAreFor = "go1.26"

// A patch says something in another way that only the package under test itself can say. One that
// finds nothing to change is an error, so that none outlives what it is for.
type patch struct {
	files string // as in path.Match
	old   string
	new   string
}

var patches = map[string][]patch{
	"net": {
		// Methods that tests declare on, or call of, types of the package: here they are functions.
		{"error_test.go", `func \(e \*OpError\) isValid\(\) error`, `func opErrorIsValid(e *OpError) error`},
		{"error_test.go", `err\.isValid\(\)`, `opErrorIsValid(err)`},
		{"*_test.go", `([\w.()*]+)\.isWildcard\(\)`, `isWildcard($1)`},
		{"listen_test.go", `\ba\.family\(\)`, `familyOf(a)`},
		{"listen_test.go", `([\w\[\]]+(?:\.\(\*\w+\))?)\.port\(\)`, `portOf($1)`},
		{"listen_test.go", `ln\.\(\*\w+\)\.fd\b`, `fdOf(ln)`},
		{"mptcpsock_linux_test.go", `\btcp\.fd\b`, `fdOf(tcp)`},
		{"main_test.go", `zoneCache\.name\(`, `zoneName(`},
		// Errors and addresses that are the package's own values, and in weir's case weir's.
		{"error_test.go", `switch err := nestedErr\.\(type\)`, `switch err := errorType(nestedErr).(type)`},
		{"error_test.go", `switch nestedErr \{`, `switch errorValue(nestedErr) {`},
		{"error_test.go", `switch addr := addr\.\(type\)`, `switch addr := addrType(addr).(type)`},
		{"udpsock_test.go", `(err\.\(\*OpError\)\.Err) (!= errMissingAddress)`, `errorValue($1) $2`},
		{"dial_*test.go", `(oe\.Err) (!= errCanceled)`, `errorValue($1) $2`},
		// Hooks that the package calls before and after it sets something, writes, or lets the
		// kernel copy.
		{"tcpconn_keepalive_test.go", `(testPreHookSetKeepAlive = func\(nfd \*netFD\) \{)`,
			`oldCfg = newKeepAlive(t); $1`},
		{"dial_test.go", `c\.Close\(\)(\s+if got != )test\.expected`,
			`got = keepAliveIdle(c); c.Close()${1}keepAliveSet(test.expected)`},
		{"tcpsock_test.go", `if got != 0 (\{.*\s+.*keepalive)`,
			`if got = keepAliveIdle(c); got != defaultTCPKeepAliveIdle $1`},
		{"splice_linux_test.go", `if (n|got) > 0 && !?hook\.called`, `if false && $1 > 0`},
		{"splice_linux_test.go", `hook := hookSplice\(t\)`, `${0}; _ = hook`},
		{"splice_linux_test.go", `if (!hook\.handled \|\| hook\.written .*) \{`, `if false && ($1) {`},
		{"writev_test.go", `if (len\(writeLog\.log\) (?:<|!=)|gotSum !=)`, `if false && $1`},
		{"write_unix_test.go", `ss\.conn\.fd\.pfd\.WriteOnce\(b\)`, `writeOnce(ss, b)`},
		{"write_unix_test.go", `ss\.conn\.fd\.pfd\.WaitWrite\(\)`, `waitWrite(ss)`},
	},
	"os": {
		{"os_test.go", `err != (ErrWriteAtInAppendMode)`, `err.Error() != $1.Error()`},
		{"*_test.go", `if .*hook\.called.*\{`, `if false && hook != nil {`},
	},
}

// notCopied are test files that are not looked at.
var notCopied = map[string]map[string]string{
	"net": {
		"main_posix_test.go":   "installs hooks",
		"main_unix_test.go":    "installs hooks",
		"main_cloexec_test.go": "installs hooks",
	},
	"os": {
		"export_test.go":       "hands out what is internal",
		"export_linux_test.go": "hands out what is internal",
		"export_unix_test.go":  "hands out what is internal",
	},
}

// void are tests of which nothing would be left, because they are about what the stand-ins do not
// do, or about what weir has not.
var void = map[string][]struct{ files, tests, why string }{
	"net": {
		{"main_test.go", `TestMain`, "installs hooks"},
		{"net_test.go", `TestAcceptIgnoreAbortedConnRequest`, "makes system calls fail"},
		{"dial_test.go", `TestDialerDualStackFDLeak`, "makes system calls fail"},
		{"writev_test.go", `TestBuffers_consume`, "is about a method that is not exported"},
	},
	"os": {{"root*_test.go", `Test\w+`, "weir has no Root"}},
}

// apply returns the source of one file with all patches for it; used counts what each changed.
func apply(pkg, file string, src []byte, used []int) []byte {
	for i, p := range patches[pkg] {
		if ok, _ := path.Match(p.files, file); !ok {
			continue
		}
		re := regexp.MustCompile(p.old)
		used[i] += len(re.FindAllIndex(src, -1))
		src = re.ReplaceAll(src, []byte(p.new))
	}
	for _, v := range void[pkg] {
		if ok, _ := path.Match(v.files, file); ok {
			src = regexp.MustCompile(`(?m)^func (`+v.tests+`)\(`).ReplaceAll(src, []byte("func void$1("))
		}
	}
	return src
}

// checkUsed complains about patches without an effect.
func checkUsed(pkg string, used []int) error {
	for i, n := range used {
		if n == 0 {
			return fmt.Errorf("the patch of %s/%s has nothing to change any more: %s", pkg, patches[pkg][i].files,
				patches[pkg][i].old)
		}
	}
	return nil
}

// standFor are the packages that are put in the place of internal ones.
var standFor = map[string]string{
	"internal/asan":         stand + "asan",
	"internal/godebug":      stand + "godebug",
	"internal/poll":         stand + "poll",
	"internal/race":         stand + "race",
	"internal/strconv":      "strconv",
	"internal/syscall/unix": stand + "unix",
	"internal/testenv":      stand + "testenv",
	"internal/testpty":      stand + "testpty",
	"net/internal/socktest": stand + "socktest",
}

const stand = "github.com/weirgo/weir/compat/gotests/stand/"
