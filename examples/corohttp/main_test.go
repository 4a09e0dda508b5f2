//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Clients of package net/http get answers, on connections that are kept and that are not, with
// bodies and without; and the interrupt ends the server although connections are idle.
func TestHTTP(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", in) }()
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url = strings.TrimSpace(url)
	kept, fresh := &http.Transport{}, &http.Transport{DisableKeepAlives: true}
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			client := &http.Client{Transport: []http.RoundTripper{kept, fresh}[i%2]}
			for j := range 20 {
				path := fmt.Sprintf("client/%d/%d", i, j)
				var resp *http.Response
				var err error
				want := "GET /" + path + "\n"
				if j%3 == 0 {
					want = "POST /" + path + "\n"
					resp, err = client.Post(url+path, "text/plain", strings.NewReader(strings.Repeat("x", j*1000)))
				} else {
					resp, err = client.Get(url + path)
				}
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if string(got) != want || err != nil || resp.StatusCode != 200 {
					t.Errorf("%d %q, %v: want %q", resp.StatusCode, got, err, want)
				}
			}
		})
	}
	clients.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	kept.CloseIdleConnections()
}

func TestBadAddress(t *testing.T) {
	if err := run(t.Context(), "nonsense", io.Discard); err == nil {
		t.Error("listens on nonsense")
	}
}
