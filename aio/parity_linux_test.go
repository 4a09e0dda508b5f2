package aio_test

import (
	"net"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/weirgo/weir/aio"
)

// The types of packages net and os that aio has too, each with all its methods.
var twins = []struct{ std, aio reflect.Type }{
	{reflect.TypeFor[*net.TCPConn](), reflect.TypeFor[*aio.TCPConn]()},
	{reflect.TypeFor[*net.UDPConn](), reflect.TypeFor[*aio.UDPConn]()},
	{reflect.TypeFor[*net.IPConn](), reflect.TypeFor[*aio.IPConn]()},
	{reflect.TypeFor[*net.UnixConn](), reflect.TypeFor[*aio.UnixConn]()},
	{reflect.TypeFor[*net.TCPListener](), reflect.TypeFor[*aio.TCPListener]()},
	{reflect.TypeFor[*net.UnixListener](), reflect.TypeFor[*aio.UnixListener]()},
	{reflect.TypeFor[*net.Dialer](), reflect.TypeFor[*aio.Dialer]()},
	{reflect.TypeFor[*net.ListenConfig](), reflect.TypeFor[*aio.ListenConfig]()},
	{reflect.TypeFor[*os.File](), reflect.TypeFor[*aio.File]()},
}

// signature describes a function type, with our twins of the standard library's types in their
// place, and without the first skip parameters.
func signature(f reflect.Type, skip int) string {
	name := func(t reflect.Type) string {
		for _, tw := range twins {
			if t == tw.std {
				t = tw.aio
			}
		}
		return t.String()
	}
	var in, out []string
	for i := skip; i < f.NumIn(); i++ {
		in = append(in, name(f.In(i)))
	}
	for i := range f.NumOut() {
		out = append(out, name(f.Out(i)))
	}
	return "(" + strings.Join(in, ", ") + ") (" + strings.Join(out, ", ") + ")"
}

// Every method and field of a type of package net or os is there, with its signature.
func TestMethodsLikeStd(t *testing.T) {
	for _, tw := range twins {
		for i := range tw.std.NumMethod() {
			m := tw.std.Method(i)
			got, ok := tw.aio.MethodByName(m.Name)
			if !ok {
				t.Errorf("%v has no %s%s", tw.aio, m.Name, signature(m.Type, 1))
			} else if g, w := signature(got.Type, 1), signature(m.Type, 1); g != w {
				t.Errorf("%v.%s%s, in the standard library %s", tw.aio, m.Name, g, w)
			}
		}
		for i := range tw.std.Elem().NumField() {
			f := tw.std.Elem().Field(i)
			got, ok := tw.aio.Elem().FieldByName(f.Name)
			if f.IsExported() && (!ok || got.Type != f.Type) {
				t.Errorf("%v has no field %s %v", tw.aio, f.Name, f.Type)
			}
		}
	}
}

// Every function of package net or os that makes something of those types is there, and so are
// those of package os on names: as a function and as a method of IO.
func TestFunctionsLikeStd(t *testing.T) {
	io := reflect.TypeFor[*aio.IO]()
	for name, f := range map[string]struct{ std, aio any }{
		"Dial":               {net.Dial, aio.Dial},
		"DialTimeout":        {net.DialTimeout, aio.DialTimeout},
		"DialTCP":            {net.DialTCP, aio.DialTCP},
		"DialUDP":            {net.DialUDP, aio.DialUDP},
		"DialIP":             {net.DialIP, aio.DialIP},
		"DialUnix":           {net.DialUnix, aio.DialUnix},
		"DialContext":        {new(net.Dialer).DialContext, aio.DialContext},
		"Listen":             {net.Listen, aio.Listen},
		"ListenPacket":       {net.ListenPacket, aio.ListenPacket},
		"ListenTCP":          {net.ListenTCP, aio.ListenTCP},
		"ListenUDP":          {net.ListenUDP, aio.ListenUDP},
		"ListenIP":           {net.ListenIP, aio.ListenIP},
		"ListenMulticastUDP": {net.ListenMulticastUDP, aio.ListenMulticastUDP},
		"ListenUnix":         {net.ListenUnix, aio.ListenUnix},
		"ListenUnixgram":     {net.ListenUnixgram, aio.ListenUnixgram},
		"FileConn":           {net.FileConn, aio.FileConn},
		"FileListener":       {net.FileListener, aio.FileListener},
		"FilePacketConn":     {net.FilePacketConn, aio.FilePacketConn},
		"Open":               {os.Open, aio.Open},
		"Create":             {os.Create, aio.Create},
		"OpenFile":           {os.OpenFile, aio.OpenFile},
		"NewFile":            {os.NewFile, aio.NewFile},
		"ReadFile":           {os.ReadFile, aio.ReadFile},
		"WriteFile":          {os.WriteFile, aio.WriteFile},
		"Stat":               {os.Stat, aio.Stat},
		"Lstat":              {os.Lstat, aio.Lstat},
		"ReadDir":            {os.ReadDir, aio.ReadDir},
		"Mkdir":              {os.Mkdir, aio.Mkdir},
		"MkdirAll":           {os.MkdirAll, aio.MkdirAll},
		"MkdirTemp":          {os.MkdirTemp, aio.MkdirTemp},
		"CreateTemp":         {os.CreateTemp, aio.CreateTemp},
		"Remove":             {os.Remove, aio.Remove},
		"RemoveAll":          {os.RemoveAll, aio.RemoveAll},
		"Rename":             {os.Rename, aio.Rename},
		"Link":               {os.Link, aio.Link},
		"Symlink":            {os.Symlink, aio.Symlink},
		"Readlink":           {os.Readlink, aio.Readlink},
		"Truncate":           {os.Truncate, aio.Truncate},
		"Chmod":              {os.Chmod, aio.Chmod},
		"Chown":              {os.Chown, aio.Chown},
		"Chtimes":            {os.Chtimes, aio.Chtimes},
		"Pipe":               {os.Pipe, aio.Pipe},
		"DirFS":              {os.DirFS, aio.DirFS},
	} {
		want := signature(reflect.TypeOf(f.std), 0)
		if got := signature(reflect.TypeOf(f.aio), 0); got != want {
			t.Errorf("%s%s, in the standard library %s", name, got, want)
		}
		if m, ok := io.MethodByName(name); !ok {
			t.Errorf("IO has no method %s", name)
		} else if got := signature(m.Type, 1); got != want {
			t.Errorf("IO.%s%s, in the standard library %s", name, got, want)
		}
	}
}
