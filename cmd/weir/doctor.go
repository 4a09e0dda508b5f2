package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/weirgo/weir/aio"
)

// diagnosis is what doctor finds.
type diagnosis struct {
	OK       bool              `json:"ok"`
	Version  string            `json:"version"`
	Procs    int               `json:"gomaxprocs"`
	Kernel   string            `json:"kernel"`
	Limits   map[string]string `json:"limits"`
	Default  backend           `json:"default"` // what a program gets that asks for nothing
	Backends []backend         `json:"backends"`
}

// backend is what became of one backend.
type backend struct {
	Name      string   `json:"name"`
	Error     string   `json:"error,omitempty"` // why it does not start
	Waits     string   `json:"waits,omitempty"`
	Drive     string   `json:"drive,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Detail    string   `json:"detail,omitempty"`
	Features  []string `json:"features,omitempty"`
	Fallbacks []string `json:"fallbacks,omitempty"` // what is done as system calls after the tests
	Tests     []result `json:"tests,omitempty"`

	kernel string
}

// result is the result of one test.
type result struct {
	Name  string        `json:"name"`
	Took  time.Duration `json:"took_ns"`
	Error string        `json:"error,omitempty"`
}

// limits are files that say what the system allows.
var limits = map[string]string{
	"kernel.io_uring_disabled": "/proc/sys/kernel/io_uring_disabled",
	"fs.file-max":              "/proc/sys/fs/file-max",
	"net.core.somaxconn":       "/proc/sys/net/core/somaxconn",
	"pids of the cgroup":       "/sys/fs/cgroup/pids.max",
	"memory of the cgroup":     "/sys/fs/cgroup/memory.max",
}

func examine() diagnosis {
	d := diagnosis{OK: true, Version: version(), Procs: runtime.GOMAXPROCS(0), Limits: map[string]string{}}
	for name, file := range limits {
		if text, err := os.ReadFile(file); err == nil {
			d.Limits[name] = strings.TrimSpace(string(text))
		}
	}
	if text, err := os.ReadFile("/proc/self/limits"); err == nil {
		for line := range strings.Lines(string(text)) {
			for _, name := range []string{"Max open files", "Max locked memory", "Max processes"} {
				if rest, ok := strings.CutPrefix(line, name); ok {
					d.Limits[name] = strings.Join(strings.Fields(rest), " ")
				}
			}
		}
	}
	d.Default = try("", "default")
	d.OK = d.Default.Error == ""
	d.Kernel = d.Default.kernel
	for _, name := range []string{"io_uring", "epoll", "portable"} {
		d.Backends = append(d.Backends, try(name, name))
	}
	for _, b := range append(d.Backends, d.Default) {
		for _, t := range b.Tests {
			d.OK = d.OK && t.Error == ""
		}
	}
	return d
}

// patience bounds the tests of one backend.
const patience = 10 * time.Second

// try starts a backend and tests it. For "" that is the one that a program gets by default.
func try(name, title string) backend {
	b := backend{Name: title}
	weir, err := aio.New(aio.Options{Backend: name})
	if err != nil {
		b.Error = err.Error()
		return b
	}
	for _, t := range tests {
		b.Tests = append(b.Tests, measure(t.name, func() error { return t.f(weir) }))
	}
	i := weir.Info()
	b.Waits, b.Drive, b.Reason, b.Detail, b.Features, b.Fallbacks = i.Waits, i.Drive, i.Reason, i.Detail, i.Features,
		i.Fallbacks
	b.kernel = i.Kernel
	if title == "default" {
		b.Name = "default: " + i.Backend
	}
	b.Tests = append(b.Tests, measure("shutdown", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return weir.Shutdown(ctx)
	}))
	return b
}

func measure(name string, f func() error) result {
	began := time.Now()
	r := result{Name: name}
	if err := f(); err != nil {
		r.Error = err.Error()
	}
	r.Took = time.Since(began)
	return r
}

var tests = []struct {
	name string
	f    func(*aio.IO) error
}{
	{"tcp echo", func(weir *aio.IO) error { return stream(weir, "tcp", "127.0.0.1:0") }},
	{"deadline", deadline},
	{"file", file},
	{"sleep", func(weir *aio.IO) error { return weir.Sleep(context.Background(), time.Millisecond) }},
}

// stream sends through a connection and back.
func stream(weir *aio.IO, network, address string) error {
	ln, err := weir.Listen(network, address)
	if err != nil {
		return err
	}
	defer ln.Close()
	served := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			c.SetDeadline(time.Now().Add(patience))
			_, err = io.Copy(c, c)
			err = errors.Join(err, c.Close())
		}
		served <- err
	}()
	c, err := weir.Dial(network, ln.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	sent, got := bytes.Repeat([]byte("weir"), 4096), make([]byte, 4*4096)
	wrote := make(chan error, 1)
	go func() { _, err := c.Write(sent); wrote <- err }()
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(sent, got) {
		return errors.New("what came back is not what was sent")
	}
	if err := errors.Join(<-wrote, c.Close()); err != nil {
		return err
	}
	return <-served
}

// deadline waits for a peer that is silent.
func deadline(weir *aio.IO) error {
	ln, err := weir.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer ln.Close()
	c, err := weir.Dial("tcp", ln.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	_, err = c.Read(make([]byte, 1))
	if e := net.Error(nil); !errors.As(err, &e) || !e.Timeout() {
		return fmt.Errorf("a read of a silent peer: %v, want a timeout", err)
	}
	return nil
}

// file writes, syncs and reads a file.
func file(weir *aio.IO) (err error) {
	dir, err := os.MkdirTemp("", "weir-doctor-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	f, err := weir.OpenFile(filepath.Join(dir, "file"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	sent, got := bytes.Repeat([]byte("weir"), 1024), make([]byte, 4096)
	if _, err := f.Write(sent); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if _, err := f.ReadAt(got, 0); err != nil {
		return err
	}
	if !bytes.Equal(sent, got) {
		return errors.New("what was read is not what was written")
	}
	return nil
}

// text writes the diagnosis for people.
func (d *diagnosis) text(w io.Writer) {
	fmt.Fprintf(w, "%s, GOMAXPROCS %d, %s\n", d.Version, d.Procs, d.Kernel)
	for _, name := range []string{"Max open files", "Max locked memory", "Max processes", "kernel.io_uring_disabled",
		"fs.file-max", "net.core.somaxconn", "pids of the cgroup", "memory of the cgroup"} {
		if v, ok := d.Limits[name]; ok {
			fmt.Fprintf(w, "  %s: %s\n", name, v)
		}
	}
	for _, b := range append([]backend{d.Default}, d.Backends...) {
		if b.Error != "" {
			fmt.Fprintf(w, "\n%s does not start: %s\n", b.Name, b.Error)
			continue
		}
		fmt.Fprintf(w, "\n%s starts: waits on %s, drive %s; %s\n", b.Name, b.Waits, b.Drive, b.Reason)
		if len(b.Fallbacks) > 0 {
			fmt.Fprintf(w, "  done as system calls: %s\n", strings.Join(b.Fallbacks, " "))
		}
		for _, t := range b.Tests {
			verdict := "ok"
			if t.Error != "" {
				verdict = "FAILED: " + t.Error
			}
			fmt.Fprintf(w, "  %-10s %10v  %s\n", t.Name, t.Took.Round(time.Microsecond), verdict)
		}
	}
}
