package compat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	wire "github.com/jeroenrinzema/psql-wire"
)

// queries is what the server understands: "echo $1" returns its parameter, "rows $1" as many rows
// as that, "fail" an error, and "hang" nothing until release is closed; it says when it begins.
func queries(hanging chan<- string, release <-chan struct{}) wire.ParseFn {
	column := func(name string, oid uint32) wire.Column { return wire.Column{Name: name, Oid: oid} }
	parameter := func(p []wire.Parameter, oid uint32) any {
		v, err := p[0].Scan(oid)
		if err != nil {
			return err
		}
		return v
	}
	return func(_ context.Context, q wire.Query) (wire.PreparedStatements, error) {
		switch verb, _, _ := strings.Cut(q.Query, " "); verb {
		case "echo":
			return wire.Prepared(wire.NewStatement(func(_ context.Context, w wire.DataWriter,
				p []wire.Parameter) error {
				if err := w.Row([]any{parameter(p, pgtype.TextOID)}); err != nil {
					return err
				}
				return w.Complete("SELECT 1")
			}, wire.WithParameters([]uint32{pgtype.TextOID}),
				wire.WithColumns(wire.Columns{column("text", pgtype.TextOID)}))), nil
		case "rows":
			return wire.Prepared(wire.NewStatement(func(_ context.Context, w wire.DataWriter,
				p []wire.Parameter) error {
				n, ok := parameter(p, pgtype.Int4OID).(int32)
				if !ok {
					return errors.New("how many?")
				}
				for i := range n {
					if err := w.Row([]any{i, text(int(i%1000), int(i))}); err != nil {
						return err
					}
				}
				return w.Complete(fmt.Sprint("SELECT ", n))
			}, wire.WithParameters([]uint32{pgtype.Int4OID}),
				wire.WithColumns(wire.Columns{column("n", pgtype.Int4OID), column("text", pgtype.TextOID)}))), nil
		case "hang":
			return wire.Prepared(wire.NewStatement(func(_ context.Context, w wire.DataWriter,
				_ []wire.Parameter) error {
				hanging <- q.Query
				<-release
				return w.Complete("SELECT 0")
			})), nil
		default:
			return nil, fmt.Errorf("cannot %s", verb)
		}
	}
}

// recorder knows the connections that it has accepted. pgx waits, up to 15 seconds, for the server
// to close a connection on which a query was given up, and this server waits for pgx: with
// connections of package net, too.
type recorder struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (r *recorder) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err == nil {
		r.mu.Lock()
		r.conns = append(r.conns, c)
		r.mu.Unlock()
	}
	return c, err
}

func (r *recorder) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
}

func TestPostgres(t *testing.T) {
	each(t, func(t *testing.T, e ends) {
		ln, hanging, release := &recorder{Listener: e.listen(t)}, make(chan string, 2), make(chan struct{})
		server, err := wire.NewServer(queries(hanging, release),
			wire.Logger(slog.New(slog.NewTextHandler(io.Discard, nil))),
			wire.MessageBufferSize(4*large), wire.WithShutdownTimeout(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		connect := func() (*pgx.Conn, error) {
			cfg, err := pgx.ParseConfig(fmt.Sprintf("postgres://user@%s/db?sslmode=disable", ln.Addr()))
			if err != nil {
				return nil, err
			}
			cfg.DialFunc = e.dial
			return pgx.ConnectConfig(limited(t), cfg)
		}
		echo := func(c *pgx.Conn, want string) error {
			var got string
			if err := c.QueryRow(limited(t), "echo $1", want).Scan(&got); err != nil {
				return err
			}
			return compare(got, want)
		}

		together(t, 16, func(i int) error {
			c, err := connect()
			if err != nil {
				return err
			}
			defer c.Close(limited(t))
			for j, size := range sizes {
				if err := echo(c, text(size, i*10+j)); err != nil {
					return err
				}
			}
			rows, err := c.Query(limited(t), "rows $1", 100*i)
			if err != nil {
				return err
			}
			n, k, s := 0, 0, ""
			_, err = pgx.ForEachRow(rows, []any{&k, &s}, func() error {
				if k != n || s != text(n%1000, n) {
					return fmt.Errorf("row %d is %d, %q", n, k, s)
				}
				n++
				return nil
			})
			if err == nil && n != 100*i {
				err = fmt.Errorf("%d rows of %d", n, 100*i)
			}
			return err
		})
		must := func() *pgx.Conn {
			t.Helper()
			c, err := connect()
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		c := must()
		defer c.Close(limited(t))
		if err := echo(c, text(large, 1)); err != nil {
			t.Errorf("a large message: %v", err)
		}
		var failed *pgconn.PgError
		if _, err := c.Exec(limited(t), "fail"); !errors.As(err, &failed) {
			t.Errorf("a query that fails: %v", err)
		}
		if err := echo(c, "after"); err != nil {
			t.Errorf("after a query that has failed: %v", err)
		}
		slow, slower := must(), must()
		if _, err := slow.Exec(soon(t), "hang"); !errors.Is(err, context.DeadlineExceeded) || !slow.IsClosed() {
			t.Errorf("a query past its context's deadline: %v; the connection is closed: %v", err, slow.IsClosed())
		}
		ctx, cancel := context.WithCancel(limited(t))
		go func() {
			for <-hanging != "hang on" {
			}
			cancel()
		}()
		if _, err := slower.Exec(ctx, "hang on"); !errors.Is(err, context.Canceled) {
			t.Errorf("a query whose context ends: %v", err)
		}

		close(release)
		if err := c.Close(limited(t)); err != nil {
			t.Errorf("Close: %v", err)
		}
		ln.drop()
		<-slow.PgConn().CleanupDone()
		<-slower.PgConn().CleanupDone()
		if err := server.Shutdown(limited(t)); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if _, err := connect(); err == nil {
			t.Error("there is a server after Shutdown")
		}
	})
}
