package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

var contextType = reflect.TypeFor[context.Context]()

// call calls a method with ctx, and with zero values otherwise. It returns the text of a panic, or
// the error, and ends the test if the call lasts.
func call(t *testing.T, name string, f reflect.Value, ctx context.Context) (panics string, err error) {
	t.Helper()
	var args []reflect.Value
	for i := range f.Type().NumIn() {
		in := f.Type().In(i)
		switch {
		case f.Type().IsVariadic() && i == f.Type().NumIn()-1:
		case in == contextType && ctx != nil:
			args = append(args, reflect.ValueOf(ctx))
		default:
			args = append(args, reflect.Zero(in))
		}
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer func() {
			switch r := recover().(type) {
			case nil:
			case runtime.Error:
				panics = "runtime error: " + r.Error()
			default:
				panics = fmt.Sprint(r)
			}
		}()
		for _, out := range f.Call(args) {
			if e, ok := out.Interface().(error); ok {
				err = e
			}
		}
	}()
	select {
	case <-over:
	case <-time.After(20 * time.Second):
		panic(name + " does not return")
	}
	return panics, err
}

// methods calls do with each method of v.
func methods(v any, do func(name string, f reflect.Value)) {
	rv := reflect.ValueOf(v)
	for i := range rv.NumMethod() {
		do(fmt.Sprintf("%T.%s", v, rv.Type().Method(i).Name), rv.Method(i))
	}
}

// TestZeroValues: what New and its like have not made is an error or a panic that says so, not a
// nil pointer dereference and not a wait without end.
func TestZeroValues(t *testing.T) {
	t.Setenv("WEIR_BACKEND", "none") // a nil IO does not stand for Default
	for _, v := range []any{
		(*aio.IO)(nil), (*aio.File)(nil), new(aio.IO), new(aio.TCPConn), new(aio.UDPConn), new(aio.IPConn),
		new(aio.UnixConn),
		new(aio.TCPListener), new(aio.UnixListener), new(aio.File), new(aio.Event),
	} {
		if _, io := v.(*aio.IO); !io && embeds(v) {
			continue // there the zero value is a nil pointer of package net's or os's, and panics as that does
		}
		methods(v, func(name string, f reflect.Value) {
			panics, err := call(t, name, f, t.Context())
			switch v.(type) {
			case *aio.IO:
				timer := strings.HasSuffix(name, "Timer") || strings.HasSuffix(name, "Ticker") // of package time
				if err == nil && !strings.Contains(panics, "aio: ") && !timer {
					t.Errorf("%s of an IO that New has not made: %v, panic %q", name, err, panics)
				}
			}
			if strings.HasPrefix(panics, "runtime error") && name != "*aio.File.Name" { // os.File's does the same
				t.Errorf("%s: %s", name, panics)
			}
		})
	}
}

// TestNilContext: a nil context is a panic that says so, as in package net.
func TestNilContext(t *testing.T) {
	lib, err := aio.New(aio.Options{})
	if err != nil {
		t.Skip("no backend can start here: ", err)
	}
	defer lib.Close()
	ln, err := lib.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("no TCP here: ", err)
	}
	defer ln.Close()
	c, err := lib.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	file, err := lib.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	event := lib.NewEvent()
	defer event.Close()
	for _, v := range []any{lib, ln, c, file, event, &aio.Dialer{IO: lib}, &aio.ListenConfig{IO: lib}} {
		methods(v, func(name string, f reflect.Value) {
			if f.Type().NumIn() == 0 || f.Type().In(0) != contextType {
				return
			}
			if name == "*aio.IO.Shutdown" {
				return // below
			}
			if panics, err := call(t, name, f, nil); !strings.Contains(panics, "nil context") &&
				!errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s(nil): %v, panic %q", name, err, panics)
			}
		})
	}
	if panics, err := call(t, "Shutdown", reflect.ValueOf(lib.Shutdown), nil); !strings.Contains(panics,
		"nil context") {
		t.Errorf("Shutdown(nil): %v, panic %q", err, panics)
	}
	if err := lib.Sleep(t.Context(), time.Nanosecond); err != nil {
		t.Errorf("Shutdown(nil) has ended the IO: %v", err)
	}
}

// TestClosedIO: on a closed IO nothing can be opened, and a descriptor given to NewFile stays the
// caller's.
func TestClosedIO(t *testing.T) {
	lib, err := aio.New(aio.Options{})
	if err != nil {
		t.Skip("no backend can start here: ", err)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	name := t.TempDir() + "/f"
	for what, f := range map[string]func() error{
		"Listen":       func() error { _, err := lib.Listen("tcp", "127.0.0.1:0"); return err },
		"ListenPacket": func() error { _, err := lib.ListenPacket("udp", "127.0.0.1:0"); return err },
		"Dial":         func() error { _, err := lib.Dial("tcp", "127.0.0.1:1"); return err },
		"Create":       func() error { _, err := lib.Create(name); return err },
		"Pipe":         func() error { _, _, err := lib.Pipe(); return err },
		"ReadFile":     func() error { _, err := lib.ReadFile(name); return err },
		"Sleep":        func() error { return lib.Sleep(t.Context(), time.Nanosecond) },
		"Event":        func() error { return lib.NewEvent().Wait(t.Context()) },
		"Do":           func() error { return lib.Do(t.Context()) },
		"Close":        func() error { return lib.Close() },
	} {
		if err := f(); !errors.Is(err, net.ErrClosed) || !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s on a closed IO: %v", what, err)
		}
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("Create has made a file")
	}
	std, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	f := lib.NewFile(std.Fd(), name)
	if f == nil {
		t.Fatal("NewFile returns nil, as for a number that is no descriptor")
	}
	methods(f, func(name string, m reflect.Value) {
		if name == "*aio.File.ReadFrom" { // of a nil reader
			return
		}
		panics, err := call(t, name, m, t.Context())
		if panics != "" {
			t.Errorf("%s of a file that NewFile has made on a closed IO panics: %s", name, panics)
		}
		if name == "*aio.File.Read" && !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s of a file that NewFile has made on a closed IO: %v", name, err)
		}
	})
	if _, err := std.WriteString("x"); err != nil {
		t.Errorf("NewFile on a closed IO has taken the descriptor: %v", err)
	}
	if err := std.Close(); err != nil {
		t.Error(err)
	}
}

// embeds reports whether v has a pointer of package net's or os's in it.
func embeds(v any) bool {
	t := reflect.TypeOf(v).Elem()
	for i := range t.NumField() {
		if f := t.Field(i).Type; f.Kind() == reflect.Pointer {
			if p := f.Elem().PkgPath(); p == "net" || p == "os" {
				return true
			}
		}
	}
	return false
}

// TestEnvironment: WEIR_BACKEND and WEIR_DRIVE count where Options leave them open, and an error
// names them.
func TestEnvironment(t *testing.T) {
	t.Setenv("WEIR_BACKEND", "portable")
	t.Setenv("WEIR_DRIVE", "thread")
	for _, tt := range []struct {
		o              aio.Options
		backend, drive string
	}{
		{aio.Options{}, "portable", "thread"},
		{aio.Options{Backend: "-io_uring"}, "", "thread"},
		{aio.Options{Drive: "auto"}, "portable", "auto"},
	} {
		lib, err := aio.New(tt.o)
		if err != nil {
			t.Skip("no backend can start here: ", err)
		}
		info := lib.Info()
		drive := info.Drive == tt.drive || tt.drive == "auto" && info.Drive == "thread" // where auto cannot be had
		if tt.backend != "" && info.Backend != tt.backend || !drive {
			t.Errorf("%+v: %s on drive %s, want %s on %s", tt.o, info.Backend, info.Drive, tt.backend, tt.drive)
		}
		lib.Close()
	}
	t.Setenv("WEIR_DRIVE", "threads")
	_, err := aio.New(aio.Options{})
	for _, want := range []string{"did you mean thread?", "WEIR_DRIVE=threads"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with WEIR_DRIVE=threads: %v, want %q in it", err, want)
		}
	}
}

// TestDropped: an IO that is dropped without Close is told of once; one that has been closed is
// not.
func TestDropped(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	said := func() string {
		mu.Lock()
		defer mu.Unlock()
		return log.String()
	}
	o := aio.Options{Backend: "portable", Logger: slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), nil))}
	for range 3 {
		lib, err := aio.New(o)
		if err != nil {
			t.Skip("no backend can start here: ", err)
		}
		if err := lib.Close(); err != nil {
			t.Error(err)
		}
	}
	lib, err := aio.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer lib.Runtime().Close() // which does not know of the IO
	for end := time.Now().Add(20 * time.Second); said() == "" && time.Now().Before(end); time.Sleep(time.Millisecond) {
		runtime.GC()
	}
	for range 10 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if n := strings.Count(said(), "dropped without Close"); n != 1 {
		t.Errorf("told %d times, want once: %s", n, said())
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
