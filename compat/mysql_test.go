package compat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestMySQL(t *testing.T) {
	mysql.SetLogger(&mysql.NopLogger{})
	each(t, func(t *testing.T, e ends) {
		ln, server := e.listen(t), &mysqlServer{conns: map[net.Conn]bool{}}
		var accepting sync.WaitGroup
		accepting.Go(func() { server.serve(ln) })
		stop := sync.OnceFunc(func() {
			ln.Close()
			accepting.Wait()
			server.drop()
			server.all.Wait()
		})
		defer stop()
		network := "weir-" + ln.Addr().String()
		mysql.RegisterDialContext(network, func(ctx context.Context, addr string) (net.Conn,
			error) {
			return e.dial(ctx, "tcp", addr)
		})
		defer mysql.DeregisterDialContext(network)
		open := func(o func(*mysql.Config)) *sql.DB {
			t.Helper()
			cfg := mysql.NewConfig()
			cfg.Net, cfg.Addr, cfg.User, cfg.Timeout, cfg.MaxAllowedPacket = network, ln.Addr().String(), "user",
				time.Minute, 64<<20
			o(cfg)
			connector, err := mysql.NewConnector(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return sql.OpenDB(connector)
		}
		db := open(func(*mysql.Config) {})
		defer db.Close()
		db.SetMaxOpenConns(8)
		db.SetMaxIdleConns(8)
		ctx := limited(t)
		echo := func(want string) error {
			var got string
			if err := db.QueryRowContext(ctx, "ECHO "+want).Scan(&got); err != nil {
				return err
			}
			return compare(got, want)
		}

		together(t, 32, func(i int) error {
			for j, size := range sizes[:5] {
				if err := echo(text(size, i*10+j)); err != nil {
					return err
				}
			}
			rows, err := db.QueryContext(ctx, fmt.Sprint("ROWS ", 100*i))
			if err != nil {
				return err
			}
			defer rows.Close()
			n := 0
			for ; rows.Next(); n++ {
				var k int
				var s string
				if err := rows.Scan(&k, &s); err != nil {
					return err
				}
				if k != n || s != text(n%1000, n) {
					return fmt.Errorf("row %d is %d, %q", n, k, s)
				}
			}
			if n != 100*i {
				return fmt.Errorf("%d rows of %d", n, 100*i)
			}
			return rows.Err()
		})
		if err := echo(text(3*large, 1)); err != nil { // more than one packet
			t.Errorf("a large message: %v", err)
		}
		var failed *mysql.MySQLError
		if _, err := db.ExecContext(ctx, "FAIL"); !errors.As(err, &failed) || failed.Number != 1105 {
			t.Errorf("a query that fails: %v", err)
		}
		if _, err := db.ExecContext(soon(t), "HANG"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a query past its context's deadline: %v", err)
		}
		canceled, cancel := context.WithCancel(ctx)
		go func() { time.Sleep(10 * time.Millisecond); cancel() }()
		if _, err := db.ExecContext(canceled, "HANG"); !errors.Is(err, context.Canceled) {
			t.Errorf("a query whose context ends: %v", err)
		}
		hasty := open(func(c *mysql.Config) { c.ReadTimeout = 20 * time.Millisecond })
		defer hasty.Close()
		if _, err := hasty.ExecContext(ctx, "HANG"); !errors.Is(err, mysql.ErrInvalidConn) {
			t.Errorf("a query past ReadTimeout: %v", err)
		}

		// The driver looks whether a connection from its pool has been closed by the server,
		// through SyscallConn.
		if err := echo("before"); err != nil {
			t.Error(err)
		}
		server.drop()
		eventually(t, "the server's connections are open still", func() bool {
			server.mu.Lock()
			defer server.mu.Unlock()
			return len(server.conns) == 0
		})
		var conns []*sql.Conn
		for range 8 { // all that there are
			c, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
			var got string
			if err := c.QueryRowContext(ctx, "ECHO after").Scan(&got); err != nil || got != "after" {
				t.Errorf("on a connection of the pool's that the server had closed: %q, %v", got, err)
			}
		}
		for _, c := range conns {
			c.Close()
		}
		stop()
		if err := echo("nobody"); err == nil {
			t.Error("there is an answer after the server has gone")
		}
	})
}
