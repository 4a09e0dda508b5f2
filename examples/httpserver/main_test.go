package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHello(t *testing.T) {
	weir, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: os.Getenv("WEIR_DRIVE")})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	defer weir.Close()
	ln, err := weir.Listen("tcp", "127.0.0.1:0")
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(hello)}
	served := make(chan error)
	go func() { served <- srv.Serve(ln) }()
	tr := &http.Transport{DialContext: weir.DialContext}
	resp, err := (&http.Client{Transport: tr}).Get("http://" + ln.Addr().String() + "/weir")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "hello /weir\n" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
	tr.CloseIdleConnections()
	srv.Shutdown(t.Context())
	if err := <-served; err != http.ErrServerClosed {
		t.Error(err)
	}
}
