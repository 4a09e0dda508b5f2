// Command weir-migrate rewrites the Go files of a module so that they open sockets and files with
// package aio in place of net and os.
//
//	go run github.com/weirgo/weir/cmd/weir-migrate@latest [-w] [-what sockets,files] [DIRECTORY]
//
// It changes calls, types and imports, also those of files for other systems and of tests. Without
// -w it says what it would change, and writes nothing. It writes nothing either unless every file
// can be parsed and rewritten. Directories that go leaves out (vendor, testdata, names that begin
// with . or _) and modules below are left alone.
//
// -what is a list of:
//
//	sockets  what opens, is or makes connections and listeners: net.Dial, net.TCPConn
//	files    what opens, is or makes files: os.Open, os.File, os.ReadFile
//	names    what is done with names: os.Stat, os.Mkdir; for programs that want one IO for all
//
// At the end it lists the places that open sockets inside other packages, such as
// http.ListenAndServe: they want a listener or a dial function, by hand.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	switch err := run(os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "weir-migrate:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("weir-migrate", flag.ContinueOnError)
	write := flags.Bool("w", false, "write the files; without it only say what would change")
	what := flags.String("what", "sockets,files", "a `list` of sockets, files, names")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 1 {
		return fmt.Errorf("one DIRECTORY, not %q", flags.Args())
	}
	names, err := namesOf(*what)
	if err != nil {
		return err
	}
	dir := "."
	if flags.NArg() == 1 {
		dir = flags.Arg(0)
	}
	files, err := rewriteAll(dir, names)
	if err != nil {
		return fmt.Errorf("nothing was written: %w", err)
	}
	changed := 0
	for _, f := range files {
		if f.changes > 0 {
			changed++
			fmt.Fprintf(stdout, "%s: %d\n", f.path, f.changes)
		}
	}
	if *write {
		for _, f := range files {
			if f.changes == 0 {
				continue
			}
			if err := replace(f.path, f.after); err != nil {
				return err
			}
		}
		fmt.Fprintf(stdout, "%d files rewritten. Next: go get github.com/weirgo/weir && go vet ./...\n", changed)
	} else {
		fmt.Fprintf(stdout, "%d files would be rewritten: -w does it\n", changed)
	}
	for _, f := range files {
		for _, hint := range f.hints {
			fmt.Fprintln(stdout, hint)
		}
	}
	return nil
}

// rewriteAll rewrites the Go files of the module in dir, in memory.
func rewriteAll(dir string, names table) (files []*file, err error) {
	var errs []error
	declared := make(map[string]map[string]bool) // the names of each directory's packages
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != dir && skipped(path, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") {
			return nil
		}
		f, err := parse(path)
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		in := filepath.Dir(path)
		if declared[in] == nil {
			declared[in] = make(map[string]bool)
		}
		f.declares(declared[in])
		files = append(files, f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := f.rewrite(names, declared[filepath.Dir(f.path)]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.path, err))
		}
	}
	return files, errors.Join(errs...)
}

// skipped reports whether go leaves a directory out, or a module of its own begins there.
func skipped(path, name string) bool {
	if name == "vendor" || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}

// replace puts text in the place of a file, whole or not at all, with the file's mode.
func replace(path string, text []byte) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".weir-migrate")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp.Name())
		}
	}()
	_, err = temp.Write(text)
	if err := errors.Join(err, temp.Chmod(info.Mode().Perm()), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// A table says which names of a package, by its import path, are package aio's, too.
type table map[string][]string

var groups = map[string]table{
	"sockets": {"net": strings.Fields(`
		Dial DialTimeout DialIP DialTCP DialUDP DialUnix Dialer
		Listen ListenConfig ListenIP ListenMulticastUDP ListenPacket ListenTCP ListenUDP ListenUnix ListenUnixgram
		FileConn FileListener FilePacketConn
		IPConn TCPConn TCPListener UDPConn UnixConn UnixListener`)},
	"files": {"os": strings.Fields(`
		Create CreateTemp File NewFile Open OpenFile Pipe ReadFile WriteFile`)},
	"names": {"os": strings.Fields(`
		Chmod Chown Chtimes DirFS Link Lstat Mkdir MkdirAll MkdirTemp ReadDir Readlink Remove RemoveAll Rename Stat
		Symlink Truncate`)},
}

// namesOf is the table for the groups of a list.
func namesOf(list string) (table, error) {
	names := make(table)
	for group := range strings.SplitSeq(list, ",") {
		g, ok := groups[strings.TrimSpace(group)]
		if !ok {
			return nil, fmt.Errorf("-what %q: there are sockets, files, names", group)
		}
		for path, list := range g {
			names[path] = slices.Concat(names[path], list)
		}
	}
	return names, nil
}
