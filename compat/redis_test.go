package compat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
)

// redisServer makes a server with a few commands; HANG does not answer before release is closed.
func redisServer(t *testing.T, release chan struct{}) *server.Server {
	var mu sync.Mutex
	values := map[string]string{}
	listeners := map[string][]*server.Peer{}
	s := server.NewServerConn()
	register := func(name string, f server.Cmd) {
		if err := s.Register(name, f); err != nil {
			t.Fatal(err)
		}
	}
	register("PING", func(p *server.Peer, _ string, _ []string) { p.WriteInline("PONG") })
	register("SET", func(p *server.Peer, _ string, args []string) {
		mu.Lock()
		defer mu.Unlock()
		values[args[0]] = args[1]
		p.WriteOK()
	})
	register("GET", func(p *server.Peer, _ string, args []string) {
		mu.Lock()
		defer mu.Unlock()
		if v, ok := values[args[0]]; ok {
			p.WriteBulk(v)
		} else {
			p.WriteNull()
		}
	})
	register("INCR", func(p *server.Peer, _ string, args []string) {
		mu.Lock()
		defer mu.Unlock()
		n, _ := strconv.Atoi(values[args[0]])
		values[args[0]] = strconv.Itoa(n + 1)
		p.WriteInt(n + 1)
	})
	register("HANG", func(p *server.Peer, _ string, _ []string) {
		<-release
		p.WriteOK()
	})
	register("SUBSCRIBE", func(p *server.Peer, _ string, args []string) {
		mu.Lock()
		defer mu.Unlock()
		listeners[args[0]] = append(listeners[args[0]], p)
		p.Block(func(w *server.Writer) {
			w.WritePushLen(3)
			w.WriteBulk("subscribe")
			w.WriteBulk(args[0])
			w.WriteInt(1)
		})
	})
	register("PUBLISH", func(p *server.Peer, _ string, args []string) {
		mu.Lock()
		defer mu.Unlock()
		for _, l := range listeners[args[0]] {
			l.Block(func(w *server.Writer) {
				w.WritePushLen(3)
				w.WriteBulk("message")
				w.WriteBulk(args[0])
				w.WriteBulk(args[1])
				w.Flush()
			})
		}
		p.WriteInt(len(listeners[args[0]]))
	})
	return s
}

// quiet is a logger for what the test expects.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func TestRedis(t *testing.T) {
	redis.SetLogger(quiet{})
	each(t, func(t *testing.T, e ends) {
		ln, release := e.listen(t), make(chan struct{})
		srv := redisServer(t, release)
		var accepting sync.WaitGroup
		accepting.Go(func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				srv.ServeConn(conn)
			}
		})
		stop := sync.OnceFunc(func() {
			ln.Close()
			accepting.Wait()
			srv.Close()
		})
		defer stop()
		connect := func(o redis.Options) *redis.Client {
			o.Addr, o.Dialer, o.MaxRetries = ln.Addr().String(), e.dial, -1
			o.DisableIdentity, o.ContextTimeoutEnabled = true, true
			return redis.NewClient(&o)
		}
		client := connect(redis.Options{PoolSize: 8, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
			PoolTimeout: time.Minute})
		defer client.Close()
		ctx := limited(t)

		const clients, each = 32, 20
		together(t, clients, func(i int) error {
			for j, size := range sizes {
				key, value := fmt.Sprint("key", i, j), pattern(size, i*10+j)
				if err := client.Set(ctx, key, value, 0).Err(); err != nil {
					return err
				}
				got, err := client.Get(ctx, key).Bytes()
				if err != nil {
					return err
				}
				if err := compare(got, value); err != nil {
					return err
				}
			}
			pipe := client.Pipeline()
			for range each {
				pipe.Incr(ctx, "n")
			}
			_, err := pipe.Exec(ctx)
			return err
		})
		if n, err := client.Get(ctx, "n").Int(); n != clients*each || err != nil {
			t.Errorf("%d increments, %v: want %d", n, err, clients*each)
		}
		if err := client.Get(ctx, "nothing").Err(); err != redis.Nil {
			t.Errorf("a key that is not there: %v", err)
		}
		value := pattern(large, 1)
		if err := client.Set(ctx, "large", value, 0).Err(); err != nil {
			t.Errorf("a large message: %v", err)
		}
		if got, err := client.Get(ctx, "large").Bytes(); err != nil || compare(got, value) != nil {
			t.Errorf("a large message: %v, %v", err, compare(got, value))
		}

		sub := client.Subscribe(ctx, "news")
		if _, err := sub.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if n, err := client.Publish(ctx, "news", i).Result(); n != 1 || err != nil {
				t.Errorf("Publish: %d, %v", n, err)
			}
			if m, err := sub.ReceiveMessage(ctx); err != nil || m.Payload != strconv.Itoa(i) {
				t.Errorf("message %d: %v, %v", i, m, err)
			}
		}
		sub.Close()

		if err := client.Do(soon(t), "HANG").Err(); !isTimeout(err) {
			t.Errorf("a command past its context's deadline: %v", err)
		}
		hasty := connect(redis.Options{ReadTimeout: 20 * time.Millisecond})
		defer hasty.Close()
		if err := hasty.Do(ctx, "HANG").Err(); !isTimeout(err) {
			t.Errorf("a command past ReadTimeout: %v", err)
		}
		if err := client.Ping(ctx).Err(); err != nil {
			t.Errorf("after that: %v", err)
		}
		close(release)
		stop()
		if err := client.Ping(ctx).Err(); err == nil {
			t.Error("there is an answer after the server has gone")
		}
	})
}

// isTimeout tells what drivers make of the end of a context, or of a deadline on the connection.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
