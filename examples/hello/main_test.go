//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestHello builds the program with another port, one that is free, and runs it.
func TestHello(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()

	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(source, []byte("127.0.0.1:7007"), []byte(addr), 1)
	if bytes.Equal(changed, source) {
		t.Fatal("main.go does not listen on 127.0.0.1:7007")
	}
	dir := t.TempDir()
	main, err := filepath.Abs("main.go")
	if err != nil {
		t.Fatal(err)
	}
	replaced := filepath.Join(dir, "main.go")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {main: replaced}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{replaced: changed, filepath.Join(dir, "overlay.json"): overlay} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "hello")
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command(program)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()

	var conn net.Conn
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if conn, err = net.Dial("tcp", addr); err == nil {
			break
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatal(err)
		}
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q back, %v", got, err)
	}
}
