// Command tour shows in a few seconds what weir does: many connections, a file, ten thousand
// sleepers, a read that is given up without losing a byte, and an end that leaves nothing behind.
//
//	go run ./examples/tour [-backend NAME] [-drive auto|thread|scheduler]
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/weirgo/weir/aio"
)

func main() {
	switch err := run(os.Args[1:], os.Stdout, full); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
}

// size is how much the tour does.
type size struct {
	clients, messages int
	fileBytes         int64
	sleepers          int
}

var full = size{clients: 256, messages: 100, fileBytes: 16 << 20, sleepers: 10_000}

// tour is one walk through weir. out gets what a user reads.
type tour struct {
	weir *aio.IO
	out  io.Writer
	size size
}

func run(args []string, out io.Writer, s size) error {
	var o aio.Options
	flags := flag.NewFlagSet("tour", flag.ContinueOnError)
	flags.StringVar(&o.Backend, "backend", "", "force this `backend` instead of WEIR_BACKEND, or else the first "+
		"that works")
	flags.StringVar(&o.Drive, "drive", "", "how loops run: auto, thread or scheduler; empty: WEIR_DRIVE, or else auto")
	if err := flags.Parse(args); err != nil {
		return err
	}

	before := runtime.NumGoroutine()
	weir, err := aio.New(o)
	if err != nil {
		return err // it names the cause and the remedy
	}
	defer weir.Close()
	t := &tour{weir, out, s}
	t.welcome()
	for _, stop := range []func() error{t.echo, t.copyFile, t.sleep, t.giveUp} {
		if err := stop(); err != nil {
			return err
		}
	}
	t.stats()
	return t.end(before)
}

func (t *tour) title(s string) { fmt.Fprintf(t.out, "\n%s\n", s) }

func (t *tour) say(format string, args ...any) { fmt.Fprintf(t.out, "  "+format+"\n", args...) }

// welcome says what weir runs on.
func (t *tour) welcome() {
	info := t.weir.Info()
	fmt.Fprintf(t.out, "weir runs on %s: %s.\n", info.Backend, info.Reason)
	t.say("drive %s, loops %d; %s", info.Drive, info.Loops, info.Detail)
}

// echo has clients talk to a server over TCP. Every one of them, and every connection of the
// server, is a goroutine with plain blocking code.
func (t *tour) echo() error {
	t.title(fmt.Sprintf("An echo server and %d clients, each with a connection and %d messages:", t.size.clients,
		t.size.messages))
	ln, err := t.weir.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	start := time.Now()

	var server, clients sync.WaitGroup
	server.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return // ln was closed
			}
			server.Go(func() {
				defer conn.Close()
				io.Copy(conn, conn)
			})
		}
	})
	failed := make(chan error, t.size.clients)
	for i := range t.size.clients {
		clients.Go(func() {
			if err := t.client(ln.Addr().String(), i); err != nil {
				failed <- fmt.Errorf("client %d: %w", i, err)
			}
		})
	}
	clients.Wait()
	ln.Close()
	server.Wait()
	if len(failed) > 0 {
		return <-failed
	}

	n := t.size.clients * t.size.messages
	took := time.Since(start)
	t.say("%d messages came back in %v, %.0f a second, and every byte was right", n, round(took),
		float64(n)/took.Seconds())
	return nil
}

// client sends messages of different lengths and checks every byte that comes back.
func (t *tour) client(addr string, id int) error {
	conn, err := t.weir.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	for i := range t.size.messages {
		sent := bytes.Repeat([]byte(fmt.Sprintf("client %d, message %d; ", id, i)), 1+(id+i)%20)
		if _, err := conn.Write(sent); err != nil {
			return err
		}
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(conn, got); err != nil {
			return err
		}
		if !bytes.Equal(sent, got) {
			return fmt.Errorf("message %d came back changed", i)
		}
	}
	return nil
}

// copyFile copies a file in pieces, several goroutines at a time, and compares hashes.
func (t *tour) copyFile() error {
	const pieces, piece = 8, 128 << 10
	t.title(fmt.Sprintf("A file of %d MiB, copied by %d goroutines:", t.size.fileBytes>>20, pieces))
	dir, err := os.MkdirTemp("", "weir-tour-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "original")
	want, err := t.makeFile(name)
	if err != nil {
		return err
	}

	src, err := t.weir.Open(name)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := t.weir.Create(filepath.Join(dir, "copy"))
	if err != nil {
		return err
	}
	defer dst.Close()
	start := time.Now()
	failed := make(chan error, pieces)
	for g := range int64(pieces) {
		go func() {
			buf := make([]byte, piece)
			for off := g * piece; off < t.size.fileBytes; off += pieces * piece {
				n, err := src.ReadAt(buf, off)
				if err != nil && err != io.EOF {
					failed <- err
					return
				}
				if _, err := dst.WriteAt(buf[:n], off); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range pieces {
		err = errors.Join(err, <-failed)
	}
	if err = errors.Join(err, dst.Sync()); err != nil {
		return err
	}
	took := time.Since(start)

	hash := sha256.New()
	if _, err := io.Copy(hash, dst); err != nil { // dst's own position is still 0
		return err
	}
	if got := hash.Sum(nil); !bytes.Equal(got, want) {
		return fmt.Errorf("the copy has SHA-256 %x, the original %x", got, want)
	}
	t.say("copied and on disk in %v; both have SHA-256 %x...", round(took), want[:8])
	return nil
}

// makeFile fills a file with noise and returns its hash.
func (t *tour) makeFile(name string) ([]byte, error) {
	f, err := t.weir.Create(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	hash := sha256.New()
	noise := io.LimitReader(rand.NewChaCha8([32]byte{'w', 'e', 'i', 'r'}), t.size.fileBytes)
	_, err = io.Copy(io.MultiWriter(f, hash), noise)
	return hash.Sum(nil), err
}

// sleep puts very many goroutines to sleep, for 50 to 100 ms each.
func (t *tour) sleep() error {
	t.title(fmt.Sprintf("%d goroutines, each asleep for 50 to 100 ms:", t.size.sleepers))
	start := time.Now()
	var asleep sync.WaitGroup
	failed := make(chan error, t.size.sleepers)
	for i := range t.size.sleepers {
		asleep.Go(func() {
			d := 50*time.Millisecond + time.Duration(i)*50*time.Millisecond/time.Duration(t.size.sleepers)
			began := time.Now()
			if err := t.weir.Sleep(context.Background(), d); err != nil {
				failed <- err
			} else if slept := time.Since(began); slept < d {
				failed <- fmt.Errorf("slept %v instead of %v", slept, d)
			}
		})
	}
	asleep.Wait()
	took := time.Since(start)
	if len(failed) > 0 {
		return <-failed
	}
	t.say("all awake again after %v, none too early; the process has %s threads", round(took), threads())
	return nil
}

// threads is the number of threads this process has.
func threads() string {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if n, ok := strings.CutPrefix(line, "Threads:"); ok {
			return strings.TrimSpace(n)
		}
	}
	return "an unknown number of"
}

// giveUp ends a read early and shows that nothing is lost by it.
func (t *tour) giveUp() error {
	t.title("A read that is given up:")
	ln, err := t.weir.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer ln.Close()
	conn, err := t.weir.Dial("tcp", ln.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	peer, err := ln.Accept()
	if err != nil {
		return err
	}
	defer peer.Close()

	const patience = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	buf := make([]byte, 64)
	start := time.Now()
	n, err := conn.(*aio.TCPConn).ReadContext(ctx, buf)
	if n != 0 || !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("a read of an idle connection returned %d bytes, %v", n, err)
	}
	t.say("after %v: %v", round(time.Since(start)), err)

	const late = "sent after the read had been given up"
	if _, err := io.WriteString(peer, late); err != nil {
		return err
	}
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if n, err = io.ReadFull(conn, buf[:len(late)]); err != nil || string(buf[:n]) != late {
		return fmt.Errorf("the next read returned %q, %w", buf[:n], err)
	}
	t.say("the next read got all of it: %q", buf[:n])
	return nil
}

// stats shows how much was asked of weir, and how little of the kernel.
func (t *tour) stats() {
	s := t.weir.Stats()
	t.title("The counters:")
	t.say("%d operations, %d of them done by their callers without a loop", s.Total(), s.Direct)
	t.say("%.1f SQEs per enter", ratio(s.SQEs, s.Enters))
	t.say("%.2f system calls per operation", ratio(s.Syscalls+s.Direct, s.Total()))
}

func ratio(a, b uint64) float64 { return float64(a) / float64(max(b, 1)) }

// end closes weir and looks for what it may have left behind.
func (t *tour) end(before int) error {
	t.title("The end:")
	if err := t.weir.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	after := runtime.NumGoroutine()
	for deadline := time.Now().Add(2 * time.Second); after > before &&
		time.Now().Before(deadline); after = runtime.NumGoroutine() {
		time.Sleep(time.Millisecond) // one that has returned may still be on its way out
	}
	if n := t.weir.Stats().InFlight; after > before || n != 0 {
		return fmt.Errorf("left behind: %d goroutines and %d operations", after-before, n)
	}
	t.say("closed; nothing left behind: %d goroutines before, %d after, 0 operations in flight", before, after)
	return nil
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
