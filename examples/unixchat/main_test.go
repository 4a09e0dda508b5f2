package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestChat(t *testing.T) {
	if runtime.GOARCH == "wasm" || runtime.GOOS == "plan9" {
		t.Skip("no unix sockets here")
	}
	weir, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: os.Getenv("WEIR_DRIVE")})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	defer weir.Close()
	ln, err := weir.Listen("unix", filepath.Join(t.TempDir(), "room"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- new(room).serve(ln) }()
	enter := func() (net.Conn, func(want string)) {
		c, err := weir.Dial("unix", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(c)
		return c, func(want string) {
			t.Helper()
			if line, err := r.ReadString('\n'); line != want+"\n" || err != nil {
				t.Errorf("heard %q, %v; want %q", line, err, want)
			}
		}
	}
	one, oneHears := enter()
	defer one.Close()
	two, twoHears := enter()
	oneHears("* 2 is here")
	three, threeHears := enter()
	defer three.Close()
	oneHears("* 3 is here")
	twoHears("* 3 is here")
	io.WriteString(two, "hello\nhow are you?\n")
	for _, hears := range []func(string){oneHears, threeHears} {
		hears("2: hello")
		hears("2: how are you?")
	}
	two.Close()
	oneHears("* 2 has left")
	threeHears("* 2 has left")
	io.WriteString(three, "fine\n")
	oneHears("3: fine")
	ln.Close()
	if _, err := one.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("at the end of the party: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
