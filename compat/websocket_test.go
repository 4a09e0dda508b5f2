package compat

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// echoSockets returns messages.
type echoSockets struct {
	mu    sync.Mutex
	conns map[*websocket.Conn]bool
}

func (s *echoSockets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(2 * large)
	s.mu.Lock()
	s.conns[c] = true
	s.mu.Unlock()
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if c.Write(r.Context(), kind, data) != nil {
			return
		}
	}
}

// leave closes all connections.
func (s *echoSockets) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close(websocket.StatusGoingAway, "")
	}
}

func TestWebSocket(t *testing.T) {
	each(t, func(t *testing.T, e ends) {
		ln := e.listen(t)
		sockets := &echoSockets{conns: map[*websocket.Conn]bool{}}
		server := &http.Server{Handler: sockets}
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		transport := &http.Transport{DialContext: e.dial}
		defer transport.CloseIdleConnections()
		connect := func(ctx context.Context, mode websocket.CompressionMode) (*websocket.Conn, error) {
			c, _, err := websocket.Dial(ctx, "ws://"+ln.Addr().String(), &websocket.DialOptions{
				HTTPClient: &http.Client{Transport: transport}, CompressionMode: mode,
			})
			if err == nil {
				c.SetReadLimit(2 * large)
			}
			return c, err
		}
		echo := func(ctx context.Context, c *websocket.Conn, kind websocket.MessageType, data []byte) error {
			if err := c.Write(ctx, kind, data); err != nil {
				return err
			}
			got, back, err := c.Read(ctx)
			if err != nil {
				return err
			}
			if got != kind {
				return errors.New("text came back as bytes, or the other way round")
			}
			return compare(back, data)
		}

		together(t, 16, func(i int) error {
			modes := []websocket.CompressionMode{websocket.CompressionDisabled, websocket.CompressionContextTakeover}
			ctx := limited(t)
			c, err := connect(ctx, modes[i%2])
			if err != nil {
				return err
			}
			defer c.CloseNow()
			for j, size := range sizes {
				if err := echo(ctx, c, websocket.MessageBinary, pattern(size, i*10+j)); err != nil {
					return err
				}
				if err := echo(ctx, c, websocket.MessageText, []byte(text(size, i*10+j))); err != nil {
					return err
				}
			}
			return c.Close(websocket.StatusNormalClosure, "")
		})

		ctx := limited(t)
		c, err := connect(ctx, websocket.CompressionDisabled)
		if err != nil {
			t.Fatal(err)
		}
		if err := echo(ctx, c, websocket.MessageBinary, pattern(large, 1)); err != nil {
			t.Errorf("a large message: %v", err)
		}
		read := make(chan error, 1)
		go func() {
			_, _, err := c.Read(ctx) // answers and hears of pings
			read <- err
		}()
		if err := c.Ping(ctx); err != nil {
			t.Errorf("Ping: %v", err)
		}
		if err := c.Write(ctx, websocket.MessageText, []byte("enough")); err != nil {
			t.Error(err)
		}
		if err := <-read; err != nil {
			t.Errorf("Read beside Ping: %v", err)
		}
		if _, _, err := c.Read(soon(t)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Read past its context's deadline: %v", err)
		}
		c.CloseNow()

		// A server that goes says so.
		if c, err = connect(ctx, websocket.CompressionDisabled); err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if err := echo(ctx, c, websocket.MessageBinary, nil); err != nil {
			t.Error(err)
		}
		go func() {
			_, _, err := c.Read(ctx)
			read <- err
		}()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
		sockets.leave()
		if err := <-read; websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("Read when the server goes: %v", err)
		}
		if _, err := connect(soon(t), websocket.CompressionDisabled); err == nil {
			t.Error("there is a server after Shutdown")
		}
	})
}

// A client that is dialing when its context ends gives up: the server does not answer it.
func TestWebSocketDial(t *testing.T) {
	each(t, func(t *testing.T, e ends) {
		ln := e.listen(t)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		accepted := make(chan struct{})
		go func() {
			defer close(accepted)
			c, err := ln.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetReadDeadline(time.Now().Add(time.Minute))
			for buf := make([]byte, 1000); err == nil; { // until the client goes
				_, err = c.Read(buf)
				cancel() // the request has begun to come
			}
			if err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the client has not gone: %v", err)
			}
		}()
		transport := &http.Transport{DialContext: e.dial}
		_, _, err := websocket.Dial(ctx, "ws://"+ln.Addr().String(),
			&websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Dial: %v", err)
		}
		<-accepted
	})
}
