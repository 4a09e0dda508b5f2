//go:build linux

package engines

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	// what Pebble's own tests import
	_ "github.com/cockroachdb/datadriven"
	_ "github.com/stretchr/testify/require"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/compat/engines/pebblefs"
)

type quiet struct{}

func (quiet) Infof(string, ...any)         {}
func (quiet) Errorf(f string, args ...any) { fmt.Fprintf(os.Stderr, f+"\n", args...) }
func (quiet) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

func openPebble(dir string, lib *aio.IO) (*pebble.DB, error) {
	return pebble.Open(dir, &pebble.Options{
		FS: pebblefs.New(lib), MemTableSize: 64 << 10, BytesPerSync: 16 << 10, WALBytesPerSync: 16 << 10,
		Logger:                quiet{},
		L0CompactionThreshold: 2, FormatMajorVersion: pebble.FormatNewest,
	})
}

func key(writer, i int) []byte { return fmt.Appendf(nil, "%02d/%06d", writer, i) }

// value is long enough for tables of many blocks.
func value(writer, i int) []byte { return pattern(100+i%400, writer*1_000_000+i) }

// A database is written by many goroutines, flushed, compacted, copied and opened again, and has
// everything.
func TestPebble(t *testing.T) {
	drives(t, func(t *testing.T, lib *aio.IO) {
		const writers, each = 8, 1_000
		dir := t.TempDir()
		db, err := openPebble(dir, lib)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openPebble(dir, lib); err == nil {
			t.Fatal("a database that is open was opened again")
		}
		together(t, writers, func(w int) error {
			for i := 0; i < each; {
				b := db.NewBatch()
				for range 20 {
					if err := b.Set(key(w, i), value(w, i), nil); err != nil {
						return err
					}
					i++
				}
				sync := pebble.NoSync
				if i%100 == 0 {
					sync = pebble.Sync
				}
				if err := b.Commit(sync); err != nil {
					return err
				}
				got, closer, err := db.Get(key(w, i/2))
				if err != nil {
					return err
				}
				same := bytes.Equal(got, value(w, i/2))
				closer.Close()
				if !same {
					return fmt.Errorf("key %d has another value", i/2)
				}
			}
			return db.DeleteRange(key(w, 0), key(w, 100), pebble.Sync)
		})
		check := func(db *pebble.DB) {
			t.Helper()
			iter, err := db.NewIter(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer iter.Close()
			n := 0
			for ok := iter.First(); ok; ok = iter.Next() {
				w, i := n/(each-100), 100+n%(each-100)
				if !bytes.Equal(iter.Key(), key(w, i)) || !bytes.Equal(iter.Value(), value(w, i)) {
					t.Fatalf("%q in the place of %q", iter.Key(), key(w, i))
				}
				n++
			}
			if err := iter.Error(); err != nil || n != writers*(each-100) {
				t.Fatalf("%d keys of %d, %v", n, writers*(each-100), err)
			}
		}
		check(db)
		if err := db.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := db.Compact(limited(t), []byte("0"), []byte("9"), true); err != nil {
			t.Fatal(err)
		}
		check(db)
		copied := filepath.Join(t.TempDir(), "copy")
		if err := db.Checkpoint(copied); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{dir, copied} {
			db, err := openPebble(dir, lib)
			if err != nil {
				t.Fatal(err)
			}
			check(db)
			if err := db.CheckLevels(nil); err != nil {
				t.Error(err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// pebbleChild writes to the database in ENGINES_CHILD until it is killed, and says what is durable.
func pebbleChild() {
	lib, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: os.Getenv("WEIR_DRIVE")})
	if err != nil {
		panic(err)
	}
	db, err := openPebble(os.Getenv("ENGINES_CHILD"), lib)
	if err != nil {
		panic(err)
	}
	first, err := strconv.Atoi(os.Getenv("ENGINES_FIRST"))
	if err != nil {
		panic(err)
	}
	for i := first; ; i++ {
		b := db.NewBatch()
		b.Set(key(0, i), value(0, i), nil)
		b.Set([]byte("last"), binary.AppendUvarint(nil, uint64(i)), nil)
		if err := b.Commit(pebble.Sync); err != nil {
			panic(err)
		}
		fmt.Println(i)
	}
}

// A process is killed while it writes, three times; whatever it has said to be durable is there,
// and each batch whole or not at all.
func TestPebbleKilled(t *testing.T) {
	drives(t, func(t *testing.T, lib *aio.IO) {
		dir := t.TempDir()
		next := 0
		for range 3 {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "ENGINES_CHILD="+dir, "ENGINES_FIRST="+strconv.Itoa(next),
				"WEIR_DRIVE="+lib.Info().Drive)
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			said := next - 1
			lines := bufio.NewScanner(out)
			for lines.Scan() {
				if said, err = strconv.Atoi(lines.Text()); err != nil {
					t.Fatal(err)
				}
				if said == next+300 {
					cmd.Process.Kill() // and read what it has said until then
				}
			}
			cmd.Wait()
			if said < next+300 {
				t.Fatalf("the process ended by itself after %d", said)
			}

			db, err := openPebble(dir, lib)
			if err != nil {
				t.Fatal(err)
			}
			v, closer, err := db.Get([]byte("last"))
			if err != nil {
				t.Fatal(err)
			}
			last, _ := binary.Uvarint(v)
			closer.Close()
			if int(last) < said {
				t.Errorf("%d is the last, and %d was durable", last, said)
			}
			for i := range int(last) + 1 {
				v, closer, err := db.Get(key(0, i))
				if err != nil || !bytes.Equal(v, value(0, i)) {
					t.Fatalf("key %d of %d: %v", i, last, err)
				}
				closer.Close()
			}
			if _, _, err := db.Get(key(0, int(last)+1)); err != pebble.ErrNotFound {
				t.Errorf("half of batch %d is there: %v", last+1, err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			next = int(last) + 1
		}
	})
}

// setDefault is a file that is put beside Pebble's tests of its file systems.
const setDefault = `package vfs_test

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/compat/engines/pebblefs"
)

func init() { vfs.Default = pebblefs.New(aio.Default()) }
`

// Pebble's own tests of file systems pass on this one: those of a copy of the module, with a file
// that sets the default.
func TestPebbleOwn(t *testing.T) {
	const module = "github.com/cockroachdb/pebble/v2"
	dir := t.TempDir()
	goes := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("go", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	copied, bin, modfile := filepath.Join(dir, "pebble"), filepath.Join(dir, "vfs.test"), filepath.Join(dir, "go.mod")
	if err := os.CopyFS(copied, os.DirFS(goes("list", "-m", "-f", "{{.Dir}}", module))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copied, "vfs", "weir_test.go"), []byte(setDefault), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	goes("mod", "edit", "-replace="+module+"="+copied, modfile)
	goes("test", "-c", "-vet=off", "-modfile="+modfile, "-o="+bin, module+"/vfs")
	drives(t, func(t *testing.T, lib *aio.IO) {
		cmd := exec.Command(bin, "-test.v", "-test.timeout=2m")
		cmd.Dir = filepath.Join(copied, "vfs")
		cmd.Env = append(os.Environ(), "WEIR_BACKEND="+lib.Info().Backend, "WEIR_DRIVE="+lib.Info().Drive)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if !bytes.Contains(out, []byte("/*pebblefs.fsys ")) {
			t.Error("the tests have run on something else")
		}
		if n := bytes.Count(out, []byte("--- PASS: Test")); n < 20 {
			t.Errorf("only %d tests have passed", n)
		}
	})
}
