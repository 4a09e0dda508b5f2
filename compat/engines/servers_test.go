//go:build linux

package engines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/valyala/fasthttp"

	"github.com/weirgo/weir/aio"
)

// ends is where a server and its clients get their connections from.
type ends struct {
	listen func(network, address string) (net.Listener, error)
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// each runs f with both ends on weir, on every drive, and with one of them on package net.
func each(t *testing.T, f func(t *testing.T, e ends)) {
	drives(t, func(t *testing.T, lib *aio.IO) {
		for name, e := range map[string]ends{
			"both":   {lib.Listen, lib.DialContext},
			"server": {lib.Listen, new(net.Dialer).DialContext},
			"client": {net.Listen, lib.DialContext},
		} {
			t.Run(name, func(t *testing.T) { f(t, e) })
		}
	})
}

// TestMQTT runs a broker and its clients: every message to every subscriber, in order, once.
func TestMQTT(t *testing.T) {
	each(t, func(t *testing.T, e ends) {
		ln, err := e.listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		broker := mqtt.New(&mqtt.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err := errors.Join(broker.AddHook(new(auth.AllowHook), nil),
			broker.AddListener(listeners.NewNet("weir", ln)), broker.Serve()); err != nil {
			t.Fatal(err)
		}
		end := sync.OnceValue(broker.Close)
		defer end()
		connect := func(id string, lost func(error)) (paho.Client, error) {
			o := paho.NewClientOptions().AddBroker("tcp://" +
				ln.Addr().String()).SetClientID(id).SetAutoReconnect(false)
			o.SetConnectionLostHandler(func(_ paho.Client, err error) { lost(err) })
			o.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
				return e.dial(context.Background(), "tcp", ln.Addr().String())
			})
			c := paho.NewClient(o)
			return c, done(c.Connect())
		}
		const clients, messages = 8, 20
		var got [clients]atomic.Int32
		var wrong atomic.Int32
		var subscribed [clients]paho.Client
		lost := make(chan error, clients)
		for i := range clients {
			c, err := connect(fmt.Sprint("subscriber", i), func(err error) { lost <- err })
			if err != nil {
				t.Fatal(err)
			}
			subscribed[i] = c
			var next [clients]int
			if err := done(c.Subscribe("news/#", 2, func(_ paho.Client, m paho.Message) {
				var from int
				fmt.Sscanf(m.Topic(), "news/%d", &from)
				if !bytes.Equal(m.Payload(), message(from, next[from])) {
					wrong.Add(1)
				}
				next[from]++
				got[i].Add(1)
			})); err != nil {
				t.Fatal(err)
			}
		}
		together(t, clients, func(from int) error {
			c, err := connect(fmt.Sprint("publisher", from), func(error) {})
			if err != nil {
				return err
			}
			defer c.Disconnect(100)
			for i := range messages {
				if err := done(c.Publish(fmt.Sprint("news/", from), 2, false, message(from, i))); err != nil {
					return err
				}
			}
			return nil
		})
		for i := range clients {
			eventually(t, "messages are missing", func() bool { return got[i].Load() == clients*messages })
		}
		if n := wrong.Load(); n > 0 {
			t.Errorf("%d messages have come out of order, twice or changed", n)
		}
		for _, c := range subscribed[1:] {
			c.Disconnect(100)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
		select {
		case <-lost:
		case <-time.After(time.Minute):
			t.Error("a client has not heard of the broker's end")
		}
	})
}

// message is one of a few bytes or of many.
func message(from, i int) []byte { return pattern([]int{1, 1_000, 100_000}[i%3], from*1_000+i) }

// done waits for what the client does.
func done(token paho.Token) error {
	if !token.WaitTimeout(time.Minute) {
		return errors.New("no answer")
	}
	return token.Error()
}

// TestFastHTTP runs a server that keeps and reuses connections and buffers in its own way.
func TestFastHTTP(t *testing.T) {
	each(t, func(t *testing.T, e ends) {
		ln, err := e.listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		server := &fasthttp.Server{
			MaxRequestBodySize: 16 << 20,
			Handler: func(c *fasthttp.RequestCtx) {
				switch string(c.Path()) {
				case "/stream":
					c.SetBodyStream(bytes.NewReader(pattern(8<<20, 3)), -1)
				case "/slow":
					<-release
				default:
					c.SetBody(c.PostBody())
				}
			},
		}
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		client := &fasthttp.Client{
			MaxConnsPerHost: 64, MaxResponseBodySize: 16 << 20,
			Dial: func(addr string) (net.Conn, error) { return e.dial(context.Background(), "tcp", addr) },
		}
		defer client.CloseIdleConnections()
		post := func(path string, body []byte, timeout time.Duration) ([]byte, error) {
			request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			defer fasthttp.ReleaseRequest(request)
			defer fasthttp.ReleaseResponse(response)
			request.SetRequestURI("http://" + ln.Addr().String() + path)
			request.Header.SetMethod("POST")
			request.SetBody(body)
			err := client.DoTimeout(request, response, timeout)
			return bytes.Clone(response.Body()), err
		}
		together(t, 32, func(i int) error {
			for j, size := range []int{0, 1, 5_000, 70_000, 1_000_000} {
				body := pattern(size, i*10+j)
				back, err := post("/", body, time.Minute)
				if err != nil {
					return err
				}
				if !bytes.Equal(back, body) {
					return fmt.Errorf("%d bytes came back changed, of %d", len(back), size)
				}
			}
			return nil
		})
		if back, err := post("/stream", nil, time.Minute); err != nil || !bytes.Equal(back, pattern(8<<20, 3)) {
			t.Errorf("a stream of 8 MiB: %d bytes, %v", len(back), err)
		}
		if _, err := post("/slow", nil, 50*time.Millisecond); !errors.Is(err, fasthttp.ErrTimeout) {
			t.Errorf("a request past its time: %v", err)
		}
		close(release)
		client.CloseIdleConnections()
		if err := server.ShutdownWithContext(limited(t)); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}
