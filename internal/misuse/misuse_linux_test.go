//go:build !weir_portable

package misuse

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/coro"
	"github.com/weirgo/weir/internal/sys"
	"github.com/weirgo/weir/internal/sys/systest"
	aiort "github.com/weirgo/weir/runtime"
)

var (
	seed   = flag.Uint64("seed", 1, "the seed of the calls; 0: a new one")
	rounds = flag.Int("rounds", 1, "how often each function and method is called, on each backend and drive")
)

// hang ends what hangs.
const hang = 20 * time.Second

// TestMisuse calls everything with arguments that make no sense.
func TestMisuse(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("calls on goroutines that must not make them are races, and meant to be")
	}
	backends := []string{"io_uring", "epoll", "portable"}
	if b := os.Getenv("WEIR_BACKEND"); b != "" {
		backends = []string{b}
	}
	drives := []string{"auto", "thread", "scheduler"}
	if d := os.Getenv("WEIR_DRIVE"); d != "" {
		drives = []string{d}
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	for _, b := range backends {
		for _, d := range drives {
			t.Run(b+"/"+d, func(t *testing.T) {
				t.Parallel()
				notes := filepath.Join(t.TempDir(), "calls")
				if n := os.Getenv("MISUSE_NOTES"); n != "" {
					notes = n
				}
				systest.Child(t, func() { calls(t, aio.Options{Backend: b, Drive: d}, notes) }, func(cmd *exec.Cmd) {
					cmd.Args = append(cmd.Args, fmt.Sprint("-seed=", *seed), fmt.Sprint("-rounds=", *rounds))
					cmd.Env = append(cmd.Env, "MISUSE_NOTES="+notes, "WEIR_BACKEND="+b, "WEIR_DRIVE="+d)
				})
				if t.Failed() && !systest.InChild(t) {
					text, _ := os.ReadFile(notes)
					lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
					t.Errorf("-seed=%d; the last calls:\n%s", *seed, bytes.Join(lines[max(len(lines)-3, 0):],
						[]byte("\n")))
				}
			})
		}
	}
}

// world is what the calls are made in.
type world struct {
	t            *testing.T
	options      aio.Options
	params       map[string][]string
	constructors []string // of Ops
	lib          *aio.IO
	tasks        *coro.Scheduler
	peer         net.Listener
	notes        *os.File
	faults       map[string]bool
}

func (w *world) begin() {
	var err error
	if w.lib, err = aio.New(w.options); err != nil {
		w.t.Skip("no backend can start here: ", err)
	}
	if w.tasks, err = coro.New(coro.Options{IO: w.lib}); err != nil {
		w.t.Fatal(err)
	}
}

// end closes everything, which must end all that goes on.
func (w *world) end() {
	w.within("Close of the Scheduler", func() { w.tasks.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), hang) // the error names what is still in flight
	defer cancel()
	if err := w.lib.Shutdown(ctx); errors.As(err, new(*aio.StuckError)) {
		w.t.Errorf("Shutdown of the IO: %v", err)
	}
}

// within ends the process if f lasts.
func (w *world) within(what string, f func()) {
	timer := time.AfterFunc(hang, func() {
		debug.SetTraceback("all")
		panic(what + " does not end")
	})
	f()
	timer.Stop()
}

// calls makes the calls of one backend and drive.
func calls(t *testing.T, o aio.Options, notes string) {
	w := &world{t: t, options: o, params: readPackages(t).params, faults: map[string]bool{}}
	if err := os.Chdir(t.TempDir()); err != nil { // the process is the test's own
		t.Fatal(err)
	}
	signal.Ignore(unix.SIGXFSZ, unix.SIGPIPE)
	systest.Limit(t, unix.RLIMIT_FSIZE, 1<<20)
	if err := errors.Join(os.WriteFile("file", []byte("text"), 0o600), os.Mkdir("dir", 0o700)); err != nil {
		t.Fatal(err)
	}
	if null, err := os.Open(os.DevNull); err != nil || unix.Dup2(int(null.Fd()), 0) != nil {
		t.Fatal("no ", os.DevNull)
	}
	var err error
	if w.notes, err = os.Create(notes); err != nil {
		t.Fatal(err)
	}
	if huge, err = unix.Mmap(-1, 0, int(min(int64(1<<32+8192), math.MaxInt/4)), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE); err != nil {
		huge = make([]byte, 100000)
	}
	if w.peer, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer w.peer.Close()
	go func() {
		for {
			c, err := w.peer.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	for n, f := range functions {
		if f := reflect.TypeOf(f); strings.HasPrefix(n, "op.") && f.NumOut() == 1 &&
			f.Out(0) == reflect.TypeFor[*op.Op]() {
			w.constructors = append(w.constructors, n)
		}
	}
	slices.Sort(w.constructors)
	w.begin()
	defer func() { w.end() }()
	all := names()
	for round := range *rounds {
		random := rand.New(rand.NewPCG(*seed, uint64(round)))
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, name := range all {
			w.call(name, random)
		}
	}
}

// names are the names of all functions and methods.
func names() []string {
	all := slices.Sorted(maps.Keys(functions))
	for _, n := range slices.Sorted(maps.Keys(types)) {
		t := types[n]
		if t.PkgPath() == "time" { // package time's are not weir's
			continue
		}
		if t.Kind() != reflect.Interface {
			t = reflect.PointerTo(t)
		}
		for i := range t.NumMethod() {
			if m := t.Method(i); m.IsExported() {
				all = append(all, n+"."+m.Name)
			}
		}
	}
	return all
}

// call is one call.
type call struct {
	w      *world
	name   string
	rand   *rand.Rand
	ctx    context.Context
	task   *coro.Task // on which it is made
	deep   int        // in values
	after  []func()
	mu     sync.Mutex
	ends   []func()
	ending bool
}

// atEnd has f called when the call is to end, or is over.
func (c *call) atEnd(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		go f()
		return
	}
	c.ends = append(c.ends, f)
}

func (c *call) end() {
	c.mu.Lock()
	ends := c.ends
	c.ends, c.ending = nil, true
	c.mu.Unlock()
	for _, f := range slices.Backward(ends) {
		go f()
	}
}

// call makes one call of the function or method.
func (w *world) call(name string, random *rand.Rand) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := &call{w: w, name: name, rand: rand.New(rand.NewPCG(random.Uint64(), 0)), ctx: ctx}
	over := make(chan struct{})
	var task *coro.Handle[int]
	if strings.HasPrefix(name, "coro.") && c.rand.IntN(4) > 0 || c.rand.IntN(8) == 0 {
		task = coro.Spawn(w.tasks, func(t *coro.Task) (int, error) {
			defer close(over)
			c.task = t
			c.make()
			return 0, nil
		})
	} else {
		go func() {
			defer close(over)
			c.make()
		}()
	}
	steps := []func(){
		cancel, c.end,
		func() {
			if task != nil {
				task.Cancel()
			}
		},
		func() { w.end(); w.begin() },
	}
	began := time.Now()
	defer func() {
		if d := time.Since(began); d > time.Second {
			w.t.Logf("%s took %v", name, d)
		}
	}()
	pause := 3 * time.Millisecond
	for done := false; !done; {
		select {
		case <-over:
			done = true
		case <-time.After(pause):
			if len(steps) == 0 {
				debug.SetTraceback("all")
				panic(name + " does not return")
			}
			steps[0]()
			if steps = steps[1:]; len(steps) == 0 {
				pause = hang
			} else if len(steps) == 1 {
				pause = 200 * time.Millisecond // it is rare that only the end of the IO ends a call
			}
		}
	}
	c.end()
	if task != nil {
		task.Cancel() // its children may wait
		w.within(name+": the task", func() { task.Wait(context.Background()) })
	}
	w.check(name)
}

// check looks whether everything goes on.
func (w *world) check(name string) {
	if strings.HasSuffix(name, ".Close") || strings.HasSuffix(name, ".Shutdown") || strings.HasSuffix(name, ".Run") {
		if w.lib.Sleep(context.Background(), 0) != nil {
			w.end()
			w.begin()
		}
	}
	w.within("what is in order, after "+name+",", func() {
		ctx := context.Background()
		if err := w.lib.Sleep(ctx, 1); err != nil {
			w.t.Errorf("after %s: Sleep: %v", name, err)
		}
		if err := w.lib.Do(ctx, op.Nop()); err != nil {
			w.t.Errorf("after %s: Do: %v", name, err)
		}
		h := coro.Spawn(w.tasks, func(t *coro.Task) (int, error) { return 0, t.Do(op.Nop()) })
		if _, err := h.Wait(ctx); err != nil {
			w.t.Errorf("after %s: a task: %v", name, err)
		}
	})
	if w.t.Failed() && len(w.faults) == 0 {
		w.t.FailNow()
	}
}

// make makes the call, and ends what comes of it.
func (c *call) make() {
	defer func() {
		for _, f := range slices.Backward(c.after) {
			f()
		}
	}()
	f := c.function()
	if !f.IsValid() {
		return
	}
	outs, panicked := c.try(c.name, f)
	if panicked != nil {
		c.judge(panicked)
		return
	}
	for _, out := range outs {
		c.drop(out)
	}
}

// function is what is to be called.
func (c *call) function() reflect.Value {
	if f := functions[c.name]; f != nil {
		return reflect.ValueOf(f)
	}
	i := strings.LastIndexByte(c.name, '.')
	t := types[c.name[:i]]
	if t.Kind() != reflect.Interface {
		t = reflect.PointerTo(t)
	}
	var recv reflect.Value
	if makers[t] == nil && t.Kind() == reflect.Pointer && makers[t.Elem()] != nil {
		recv = reflect.New(t.Elem())
		recv.Elem().Set(c.value(t.Elem()))
	} else {
		recv = c.value(t)
	}
	if recv.IsNil() && (t.Kind() == reflect.Interface || !nilIsGood[c.name[:i]]) {
		if recv = reflect.New(t.Elem()); t.Kind() == reflect.Interface {
			return reflect.Value{}
		}
	}
	return recv.MethodByName(c.name[i+1:])
}

// nilIsGood are the types whose methods take a nil receiver, most of them as those of packages net
// and os do. A call of another's is a nil dereference of the caller's, as with net.TCPConn,
// sync.Mutex and time.Timer.
var nilIsGood = map[string]bool{
	"aio.IO": true, "aio.File": true, "aio.TCPListener": true, "aio.UnixListener": true, "coro.Scheduler": true,
}

// likeStd are the methods that dereference nil as their namesakes in packages net and os do.
var likeStd = []string{"aio.File.Name", "aio.TCPListener.Addr", "aio.UnixListener.Addr",
	"aio.UnixListener.SetUnlinkOnClose"}

// try calls f with arguments, and returns what it panics with.
func (c *call) try(name string, f reflect.Value) (outs []reflect.Value, panicked *fault) {
	t := f.Type()
	var args []reflect.Value
	params := c.w.params[name]
	for i := range t.NumIn() {
		in := t.In(i)
		if i < len(params) && isDescriptor[params[i]] && (in.Kind() == reflect.Int || in.Kind() == reflect.Uintptr) {
			args = append(args, reflect.ValueOf(c.descriptor()).Convert(in))
			continue
		}
		args = append(args, c.value(in))
	}
	if name == "coro.NewQueue" && args[0].Int() > 0 { // which has room for as much, as make(chan T, n) does
		args[0] = reflect.ValueOf(int(args[0].Int() % 1000))
	}
	if name == c.name {
		fmt.Fprintf(c.w.notes, "%s%s\n", name, describe(args))
	}
	defer func() {
		if r := recover(); r != nil {
			panicked = &fault{r, debug.Stack(), describe(args)}
		}
	}()
	if t.IsVariadic() {
		return f.CallSlice(args), nil
	}
	return f.Call(args), nil
}

// fault is a panic.
type fault struct {
	value any
	stack []byte
	args  string
}

func describe(args []reflect.Value) string {
	var all []string
	for _, a := range args {
		var text string
		switch a.Kind() {
		case reflect.Slice:
			text = fmt.Sprintf("%s of %d", a.Type(), a.Len())
			if a.IsNil() {
				text = "nil " + text
			} else if a.Len() < 5 {
				text = a.Type().String()
				for i := range a.Len() {
					text += describe([]reflect.Value{a.Index(i)})
				}
			}
		case reflect.Pointer, reflect.Interface, reflect.Func, reflect.Struct:
			text = a.Type().String()
			if a.Kind() != reflect.Struct && a.IsNil() {
				text = "nil " + text
			} else if a.Kind() == reflect.Interface {
				text = describe([]reflect.Value{a.Elem()})
			} else if o, ok := a.Interface().(*op.Op); ok && !o.InFlight() {
				text = "op " + o.String()
			} else if s, ok := a.Interface().(fmt.Stringer); ok && strings.HasPrefix(text, "*net.") {
				text = s.String()
			} else if a.Kind() == reflect.Struct {
				var fields []reflect.Value
				for i := range a.NumField() {
					if a.Type().Field(i).IsExported() {
						fields = append(fields, a.Field(i))
					}
				}
				text += describe(fields)
			}
		case reflect.String:
			text = fmt.Sprintf("%.40q", a.String())
		default:
			text = fmt.Sprint(a)
		}
		all = append(all, text)
	}
	return "(" + strings.Join(all, ", ") + ")"
}

// judge tells of a panic that is not weir's way to refuse, nor one of what the caller has handed
// in.
func (c *call) judge(p *fault) {
	err, ok := p.value.(runtime.Error)
	if !ok {
		return
	}
	where := site(p.stack)
	if slices.Contains(likeStd, c.name) {
		return
	}
	if !strings.Contains(where, "weir/") || strings.Contains(where, "internal/misuse") {
		return // a nil Reader or function, called as package net calls it
	}
	key := c.name + " " + where
	if c.w.faults[key] {
		return
	}
	c.w.faults[key] = true
	c.w.t.Errorf("%s%s: %v, in %s", c.name, p.args, err, where)
}

// site is the function in which a panic began, with its line.
func site(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "panic(") {
			for i += 2; i+1 < len(lines); i += 2 {
				if !strings.HasPrefix(lines[i], "runtime.") {
					f, _, _ := strings.Cut(lines[i], "(0x")
					return f + " " + filepath.Base(strings.Fields(lines[i+1])[0])
				}
			}
		}
	}
	return "?"
}

// drop ends what a call has returned.
func (c *call) drop(out reflect.Value) {
	switch x := out.Interface().(type) {
	case *op.Batch:
		if x != nil {
			x.Cancel()
			x.Wait(c.ctx) // its loop may not be running
		}
	case *coro.Handle[int]:
		if x != nil {
			x.Cancel()
		}
	case *aiort.Loop:
		if strings.HasSuffix(c.name, "NewLoop") && x != nil {
			x.Close()
		}
	case *aiort.Runtime:
		if c.name == "runtime.New" && x != nil {
			x.Close()
		}
	case *aio.IO:
		if c.name == "aio.New" && x != nil {
			x.Close()
		}
	case *coro.Scheduler:
		if c.name == "coro.New" && x != nil {
			x.Close()
		}
	case io.Closer:
		if v := out; v.Kind() != reflect.Pointer || !v.IsNil() {
			x.Close()
		}
	case func(func(net.Conn, error) bool):
		x(func(net.Conn, error) bool { return false })
	}
}
