//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEcho: many clients at once get back what they sent, also what is larger than the server's
// buffer, and the interrupt ends the server though a client stays.
func TestEcho(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, "127.0.0.1:0", in)
		in.CloseWithError(err)
		ended <- err
	}()
	var addr string
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(line, "echo on %s", &addr); err != nil {
		t.Fatalf("first line %q: %v", line, err)
	}

	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			sent := bytes.Repeat([]byte{byte(i), byte(i + 1), 7}, 1+i*i*4000)
			go func() {
				conn.Write(sent)
				conn.(*net.TCPConn).CloseWrite()
			}()
			got, err := io.ReadAll(conn)
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("client %d: %d of %d bytes came back, %v", i, len(got), len(sent), err)
			}
		})
	}
	clients.Wait()

	idle, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("run: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still running 20 s after the interrupt")
	}
}

func TestBadAddress(t *testing.T) {
	if err := run(t.Context(), "nonsense", io.Discard); err == nil {
		t.Error("an address without a port was taken")
	}
}
