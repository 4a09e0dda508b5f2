//go:build linux

package guide_test

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirgo/weir/aio"
)

// open makes the IO of a test: its backend and drive are WEIR_BACKEND's and WEIR_DRIVE's, and
// nothing may be in flight at the end.
func open(t *testing.T) *aio.IO {
	t.Helper()
	weir, err := aio.New(aio.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := weir.Stats().InFlight; n != 0 {
			t.Errorf("%d operations are still in flight", n)
		}
		if err := weir.Close(); err != nil {
			t.Error(err)
		}
	})
	return weir
}

func TestEcho(t *testing.T) {
	weir := open(t)
	ln, err := weir.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- serve(ln, echo) }()

	conn, err := weir.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Write([]byte("x"))
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	conn.(*aio.TCPConn).CloseWrite()
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	conn.Close()
	ln.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestBackoff sleeps for an hour in no time: Sleep is on the bubble's clock.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if err := aio.Sleep(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d != time.Hour {
			t.Errorf("slept %v", d)
		}
	})
}

// start says on which backend the program runs, and gives up if that is not good enough.
func start(log *slog.Logger, needs string) (*aio.IO, error) {
	weir, err := aio.New(aio.Options{Logger: log})
	if err != nil {
		return nil, err
	}
	info := weir.Info()
	log.Info("weir", "backend", info.Backend, "waits", info.Waits, "drive", info.Drive,
		"reason", info.Reason, "kernel", info.Kernel, "fallbacks", info.Fallbacks)
	if needs != "" && info.Backend != needs {
		return nil, errors.Join(fmt.Errorf("backend %s: %s", info.Backend, info.Reason), weir.Close())
	}
	return weir, nil
}

func Example_info() {
	log := slog.New(slog.DiscardHandler)
	_, err := start(log, "carrier pigeons")
	fmt.Println(err != nil)
	// Output:
	// true
}

func Example_metrics() {
	weir := aio.Default()
	expvar.Publish("weir", expvar.Func(func() any { return weir.Stats() }))

	ln, err := aio.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{} // with /debug/vars, from expvar
	served := make(chan error)
	go func() { served <- server.Serve(ln) }()
	client := &http.Client{Transport: &http.Transport{DialContext: aio.DialContext, DisableKeepAlives: true}}
	resp, err := client.Get("http://" + ln.Addr().String() + "/debug/vars")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var page struct{ Weir aio.Stats }
	err = json.NewDecoder(resp.Body).Decode(&page)
	fmt.Println(err, page.Weir.Direct > 0)
	server.Shutdown(context.Background())
	fmt.Println(errors.Is(<-served, http.ErrServerClosed))
	// Output:
	// <nil> true
	// true
}

func Example_options() {
	weir, err := aio.New(aio.Options{
		Backend:     "epoll,portable", // never io_uring: a sandbox counts it against the program
		MaxInFlight: 10_000,           // of one loop; calls wait for room at the bound
		Logger:      slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer weir.Close()
	fmt.Println(weir.Info().Backend)
	// Output:
	// epoll
}
