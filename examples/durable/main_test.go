//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
)

// childEnv makes the test binary the process that is killed: it is the name of the file to write.
const childEnv = "WEIR_TEST_DURABLE"

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		child(name)
	}
	goleak.VerifyTestMain(m)
}

// child writes one generation after the other and says so when one is safe. Nothing ends it but a
// signal.
func child(name string) {
	weir, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: os.Getenv("WEIR_DRIVE")})
	for n := 0; err == nil; n++ {
		if err = write(context.Background(), weir, name, generation(n)); err == nil {
			fmt.Println(n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// generation is the content with number n: its number, and so much of it that one system call is
// not all there is.
func generation(n int) []byte {
	head := fmt.Appendf(nil, "%d\n", n)
	return append(head, bytes.Repeat([]byte{byte('a' + n%26)}, 100_000+n%7*10_000)...)
}

// check returns the number of the generation that the file holds, which must be whole.
func check(t *testing.T, name string) int {
	t.Helper()
	got, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return -1
	}
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(got[:min(len(got), 20)]), "\n")
	n, err := strconv.Atoi(head)
	if err != nil || !bytes.Equal(got, generation(n)) {
		t.Fatalf("the file is torn: %d bytes that begin with %q", len(got), head)
	}
	return n
}

// A process that is killed at any time leaves a whole file: the last one that it reported, or the
// one after.
func TestKilled(t *testing.T) {
	weir, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND")})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	weir.Close()
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		name := filepath.Join(t.TempDir(), "file")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+name)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		enough := rand.IntN(20)
		reported := -1
		read := func() bool {
			if !lines.Scan() {
				return false
			}
			n, err := strconv.Atoi(lines.Text())
			if reported++; err != nil || n != reported {
				t.Errorf("%q was reported in place of %d", lines.Text(), reported)
			}
			return true
		}
		for reported < enough && read() {
		}
		time.Sleep(rand.N(3 * time.Millisecond))
		cmd.Process.Kill()
		for read() {
		}
		cmd.Wait() // it was killed: there is nothing to learn from that
		if got := check(t, name); got != reported && got != reported+1 {
			t.Errorf("generation %d was reported, and the file has %d", reported, got)
		}
	}
}

func TestWrite(t *testing.T) {
	for _, drive := range []string{"auto", "thread", "scheduler"} {
		t.Run(drive, func(t *testing.T) {
			weir, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: drive})
			if err != nil {
				t.Skip("no backend can start here:", err)
			}
			defer weir.Close()
			dir := t.TempDir()
			name := filepath.Join(dir, "file")
			for n := range 3 {
				if err := write(t.Context(), weir, name, generation(n)); err != nil {
					t.Fatal(err)
				}
				if got := check(t, name); got != n {
					t.Errorf("generation %d in place of %d", got, n)
				}
			}
			if err := write(t.Context(), weir, filepath.Join(dir, "none", "file"), nil); !errors.Is(err,
				fs.ErrNotExist) {
				t.Error("no directory:", err)
			}
			// A rename that cannot be leaves the directory as it was.
			if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := write(t.Context(), weir, filepath.Join(dir, "sub"), nil); err == nil {
				t.Error("a directory was replaced")
			}
			if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := write(ctx, weir, name, nil); err != context.Canceled || check(t, name) != 2 {
				t.Error("with a context that is over:", err)
			}
			if err := run(t.Context(), []string{"-drive", drive, "-backend", os.Getenv("WEIR_BACKEND"), name},
				bytes.NewReader(generation(9))); err != nil || check(t, name) != 9 {
				t.Error("run:", err)
			}
		})
	}
}
