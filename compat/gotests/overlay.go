package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Packages that open their own connections are tested in place, on a package net that asks weir for
// those. Package net cannot import weir, so a test file does that and sets the hooks.
const hooks = `package net

import (
	"context"
	"io"
	"os"
	"syscall"
)

// WeirDial and WeirListen open streams, unless they are nil.
var (
	WeirDial   func(ctx context.Context, d *Dialer, network, address string) (Conn, error)
	WeirListen func(ctx context.Context, lc *ListenConfig, network, address string) (Listener, error)
)

func weirHas(network string) bool {
	switch network {
	case "tcp", "tcp4", "tcp6", "unix":
		return true
	}
	return false
}

// WeirTCPConn and WeirTCPListener are what tests take for *TCPConn and *TCPListener.
type WeirTCPConn interface {
	Conn
	syscall.Conn
	io.ReaderFrom
	io.WriterTo
	CloseRead() error
	CloseWrite() error
	File() (*os.File, error)
	SetLinger(sec int) error
	SetNoDelay(noDelay bool) error
}

type WeirTCPListener interface {
	Listener
	File() (*os.File, error)
}
`

const setHooks = `package PACKAGE_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/weirgo/weir/aio"
)

func TestStreamsAreWeirs(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for side, x := range map[string]any{"server": ln, "client": c} {
		sides := os.Getenv("GOTESTS_SIDES")
		if weirs := strings.HasPrefix(fmt.Sprintf("%T", x), "*aio."); weirs != (sides == side || sides == "both") {
			t.Errorf("the %s has a %T, and weir is for %q", side, x, sides)
		}
	}
}

func init() {
	sides := os.Getenv("GOTESTS_SIDES")
	if sides == "client" || sides == "both" {
		net.WeirDial = func(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
			wd := aio.Dialer{
				Timeout: d.Timeout, Deadline: d.Deadline, LocalAddr: d.LocalAddr,
				FallbackDelay: d.FallbackDelay, KeepAlive: d.KeepAlive,
				KeepAliveConfig: d.KeepAliveConfig, Resolver: d.Resolver, Cancel: d.Cancel,
				Control: d.Control, ControlContext: d.ControlContext,
			}
			return wd.DialContext(ctx, network, address)
		}
	}
	if sides == "server" || sides == "both" {
		net.WeirListen = func(ctx context.Context, lc *net.ListenConfig, network, address string) (
			net.Listener, error) {
			wl := aio.ListenConfig{Control: lc.Control, KeepAlive: lc.KeepAlive, KeepAliveConfig: lc.KeepAliveConfig}
			return wl.Listen(ctx, network, address)
		}
	}
}
`

var (
	dialSignature   = regexp.MustCompile(`(?m)^func \(d \*Dialer\) DialContext\(ctx context\.Context, network, address string\) \(Conn, error\) \{$`)
	listenSignature = regexp.MustCompile(
		`(?m)^func \(lc \*ListenConfig\) Listen\(ctx context\.Context, network, address string\) \(Listener, error\) \{$`)
	tcpType  = regexp.MustCompile(`\*net\.TCP(Conn|Listener)\b`)
	tcpField = regexp.MustCompile(`\b(c|tConn)\.TCPConn\b`) // of a struct that such a type is embedded in
)

// inPlace builds the tests of some of Go's packages on a package net with hooks, and returns the
// binaries.
func (t *tree) inPlace(pkgs []string) (map[string]string, error) {
	replace := map[string]string{}
	put := func(name string, src []byte) error {
		file := filepath.Join(t.dir, "overlay", name)
		replace[filepath.Join(goroot(), name)] = file
		return write(file, src)
	}
	src, err := os.ReadFile(filepath.Join(goroot(), "net", "dial.go"))
	if err != nil {
		return nil, err
	}
	for signature, hook := range map[*regexp.Regexp]string{
		dialSignature:   "if h := WeirDial; h != nil && weirHas(network) { return h(ctx, d, network, address) }",
		listenSignature: "if h := WeirListen; h != nil && weirHas(network) { return h(ctx, lc, network, address) }",
	} {
		if len(signature.FindAllIndex(src, -1)) != 1 {
			return nil, fmt.Errorf("there is no place in net/dial.go for a hook: %v", signature)
		}
		src = signature.ReplaceAll(src, []byte("$0 "+hook))
	}
	if err := put("net/dial.go", src); err != nil {
		return nil, err
	}
	if err := put("net/weir.go", []byte(hooks)); err != nil {
		return nil, err
	}
	for _, pkg := range pkgs {
		tests, err := testFiles(pkg)
		if err != nil {
			return nil, err
		}
		for _, name := range tests {
			src, err := os.ReadFile(filepath.Join(goroot(), pkg, name))
			if err != nil {
				return nil, err
			}
			if !tcpType.Match(src) {
				continue
			}
			src = tcpType.ReplaceAll(src, []byte("net.WeirTCP$1"))
			src = tcpField.ReplaceAll(src, []byte("$1.WeirTCPConn"))
			if err := put(pkg+"/"+name, src); err != nil {
				return nil, err
			}
		}
		if err := put(pkg+"/weir_test.go", []byte(strings.Replace(setHooks, "PACKAGE", filepath.Base(pkg),
			1))); err != nil {
			return nil, err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	overlay := filepath.Join(t.dir, "overlay.json")
	if err := write(overlay, list); err != nil {
		return nil, err
	}
	bins := map[string]string{}
	for _, pkg := range pkgs {
		bins[pkg] = filepath.Join(t.dir, strings.ReplaceAll(pkg, "/", ".")+".test")
		if _, err := run(t.dir, buildEnv(), "go", "test", "-c", "-vet=off", "-overlay="+overlay, "-o", bins[pkg],
			pkg); err != nil {
			return nil, err
		}
	}
	return bins, nil
}
