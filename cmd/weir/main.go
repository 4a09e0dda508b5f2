// Command weir says what weir finds on a machine.
//
//	weir doctor [-json]   which backends start and why not, limits, fallbacks, a self-test
//	weir version          the module's version, Go's and the system's
//
// doctor ends with status 1 if no backend starts or a test fails. It writes to a temporary
// directory and to the loopback interface, and takes about a second.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const usage = "usage: weir doctor [-json] | weir version"

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprintln(stderr, usage)
		return 2
	}
	switch args[0] {
	case "version":
		if len(args) == 1 {
			fmt.Fprintln(stdout, version())
			return 0
		}
	case "doctor":
		flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
		flags.SetOutput(stderr)
		asJSON := flags.Bool("json", false, "write JSON")
		if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 {
			break
		}
		d := examine()
		if *asJSON {
			e := json.NewEncoder(stdout)
			e.SetIndent("", "  ")
			if err := e.Encode(d); err != nil {
				fmt.Fprintln(stderr, err)
				return 1
			}
		} else {
			d.text(stdout)
		}
		if !d.OK {
			return 1
		}
		return 0
	}
	fmt.Fprintln(stderr, usage)
	return 2
}

// version names the module's version, as far as the build knows it, Go's and the system.
func version() string {
	v := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v = info.Main.Version
	}
	return fmt.Sprintf("weir %s, %s, %s/%s", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
