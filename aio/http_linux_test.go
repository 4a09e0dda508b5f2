package aio_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

// handler is a server in which every kind of request has its path.
func handler(t *testing.T, file string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Write(b)
	})
	mux.HandleFunc("/chunks", func(w http.ResponseWriter, r *http.Request) {
		for i := range 50 {
			fmt.Fprintf(w, "chunk %d\n", i)
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	mux.HandleFunc("/wait", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done() // the client went away: the server notices by its read in the background
	})
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		rw.Flush()
		line, err := rw.ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		rw.WriteString(line)
		rw.Flush()
	})
	return mux
}

// web is a server and a client of it, ours or package net's.
type web struct {
	url    string
	server *http.Server
	client *http.Client
	dial   func() (net.Conn, error)
}

func serve(t *testing.T, ln net.Listener, h http.Handler, dial func(ctx context.Context, network,
	address string) (net.Conn, error), cert *tls.Certificate, protocols *http.Protocols) *web {
	t.Helper()
	w := &web{url: "http://" + ln.Addr().String(), server: &http.Server{Handler: h, Protocols: protocols}}
	tr := &http.Transport{DialContext: dial, ExpectContinueTimeout: 10 * time.Second, Protocols: protocols}
	w.client = &http.Client{Transport: tr}
	w.dial = func() (net.Conn, error) { return dial(context.Background(), "tcp", ln.Addr().String()) }
	if cert != nil {
		w.url = "https://" + ln.Addr().String()
		w.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}}
		pool := x509.NewCertPool()
		pool.AddCert(cert.Leaf)
		tr.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	done := make(chan error, 1)
	go func() {
		if cert != nil {
			done <- w.server.ServeTLS(ln, "", "")
		} else {
			done <- w.server.Serve(ln)
		}
	}()
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := w.server.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return w
}

// certificate is one for this host, signed by itself.
func certificate(t *testing.T) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "weir"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// exercise makes every kind of request, several at a time.
func exercise(t *testing.T, w *web, file []byte) {
	get := func(path string) (string, *http.Response) {
		resp, err := w.client.Get(w.url + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return "", nil
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return string(b), resp
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 5 {
				if b, _ := get("/hello"); b != "hello" {
					t.Errorf("hello: %q", b)
				}
			}
			if b, _ := get("/chunks"); strings.Count(b, "\n") != 50 || !strings.HasSuffix(b, "chunk 49\n") {
				t.Errorf("chunks: %q", b)
			}
			if b, _ := get("/file"); b != string(file) {
				t.Errorf("file: %d bytes", len(b))
			}
			for _, expect := range []string{"", "100-continue"} {
				body := bytes.Repeat([]byte("body"), 20000)
				req, _ := http.NewRequest("POST", w.url+"/echo", struct{ io.Reader }{bytes.NewReader(body)}) // chunked
				if expect != "" {
					req.Header.Set("Expect", expect)
				}
				resp, err := w.client.Do(req)
				if err != nil {
					t.Error(err)
					continue
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || !bytes.Equal(b, body) {
					t.Errorf("echo, expect %q: %d bytes, %v", expect, len(b), err)
				}
			}
			ctx, cancel := context.WithCancel(context.Background())
			req, _ := http.NewRequestWithContext(ctx, "GET", w.url+"/wait", nil)
			resp, err := w.client.Do(req)
			cancel()
			if err != nil {
				t.Error(err)
				return
			}
			// The server may notice first and end the body in good order.
			if _, err := io.ReadAll(resp.Body); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("the body of a request that was cancelled: %v", err)
			}
			resp.Body.Close()
		}()
	}
	wg.Wait()
}

// net/http runs on our listener, on our dialer, and on both: plain, with TLS, with HTTP/2.
func TestHTTP(t *testing.T) {
	file := payload(600000)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	cert := certificate(t)
	var h1, h2 http.Protocols
	h1.SetHTTP1(true)
	h2.SetHTTP2(true)
	h2c := http.Protocols{}
	h2c.SetUnencryptedHTTP2(true)
	each(t, func(t *testing.T, lib *aio.IO) {
		for _, side := range []struct {
			name   string
			listen func(network, address string) (net.Listener, error)
			dial   func(ctx context.Context, network, address string) (net.Conn, error)
		}{
			{"both", lib.Listen, lib.DialContext},
			{"server", lib.Listen, new(net.Dialer).DialContext},
			{"client", net.Listen, lib.DialContext},
		} {
			for _, proto := range []struct {
				name      string
				cert      *tls.Certificate
				protocols *http.Protocols
				want      string
			}{
				{"http1", nil, &h1, "HTTP/1.1"}, {"tls", cert, &h1, "HTTP/1.1"}, {"http2", cert, &h2, "HTTP/2.0"},
				{"h2c", nil, &h2c, "HTTP/2.0"},
			} {
				t.Run(side.name+"/"+proto.name, func(t *testing.T) {
					ln, err := side.listen("tcp", "127.0.0.1:0")
					if err != nil {
						t.Fatal(err)
					}
					w := serve(t, ln, handler(t, path), side.dial, proto.cert, proto.protocols)
					exercise(t, w, file)
					if resp, err := w.client.Get(w.url + "/hello"); err == nil {
						io.ReadAll(resp.Body)
						resp.Body.Close()
					}
					reused := false
					req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(),
						&httptrace.ClientTrace{
							GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused },
						}), "GET", w.url+"/hello", nil)
					resp, err := w.client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					if resp.Proto != proto.want || !reused {
						t.Errorf("protocol %s, connection reused: %v", resp.Proto, reused)
					}
					if proto.name == "http1" {
						hijack(t, w)
					}
				})
			}
		}
	})
}

func hijack(t *testing.T, w *web) {
	c, err := w.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /hijack HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nnow we talk\n")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	if line, err := r.ReadString('\n'); line != "now we talk\n" || err != nil {
		t.Errorf("after the upgrade: %q, %v", line, err)
	}
}

// A server that shuts down finishes its requests, and times out clients that are slow to ask.
func TestHTTPShutdown(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		ln, err := lib.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		started, finish := make(chan struct{}), make(chan struct{})
		srv := &http.Server{ReadHeaderTimeout: 20 * time.Millisecond,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(started)
				<-finish
				io.WriteString(w, "finished")
			})}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(ln) }()

		slow, err := lib.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Close()
		io.WriteString(slow, "GET / HT")
		slow.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadAll(slow); err != nil {
			t.Errorf("half a request ends with %v", err)
		}

		tr := &http.Transport{DialContext: lib.DialContext}
		defer tr.CloseIdleConnections()
		answer := make(chan string, 1)
		go func() {
			resp, err := (&http.Client{Transport: tr}).Get("http://" + ln.Addr().String())
			if err != nil {
				answer <- err.Error()
				return
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			answer <- string(b)
		}()
		<-started
		down := make(chan error, 1)
		go func() { down <- srv.Shutdown(context.Background()) }()
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
		if _, err := lib.Dial("tcp", ln.Addr().String()); err == nil {
			t.Error("the listener still listens")
		}
		close(finish)
		if s := <-answer; s != "finished" {
			t.Errorf("the request under way got %q", s)
		}
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}
