package aio_test

import (
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/weirgo/weir/aio"
)

// The types of package net that aio has too, each with all its methods.
var twins = []struct{ net, aio reflect.Type }{
	{reflect.TypeFor[*net.TCPConn](), reflect.TypeFor[*aio.TCPConn]()},
	{reflect.TypeFor[*net.UDPConn](), reflect.TypeFor[*aio.UDPConn]()},
	{reflect.TypeFor[*net.IPConn](), reflect.TypeFor[*aio.IPConn]()},
	{reflect.TypeFor[*net.UnixConn](), reflect.TypeFor[*aio.UnixConn]()},
	{reflect.TypeFor[*net.TCPListener](), reflect.TypeFor[*aio.TCPListener]()},
	{reflect.TypeFor[*net.UnixListener](), reflect.TypeFor[*aio.UnixListener]()},
	{reflect.TypeFor[*net.Dialer](), reflect.TypeFor[*aio.Dialer]()},
	{reflect.TypeFor[*net.ListenConfig](), reflect.TypeFor[*aio.ListenConfig]()},
}

// signature describes a function type, with the twins of package net's types in their place, and without the first
// skip parameters.
func signature(f reflect.Type, skip int) string {
	name := func(t reflect.Type) string {
		for _, tw := range twins {
			if t == tw.net {
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

// Every method and field of a type of package net is there, with its signature.
func TestMethodsLikeNet(t *testing.T) {
	for _, tw := range twins {
		for i := range tw.net.NumMethod() {
			m := tw.net.Method(i)
			got, ok := tw.aio.MethodByName(m.Name)
			if !ok {
				t.Errorf("%v has no %s%s", tw.aio, m.Name, signature(m.Type, 1))
			} else if g, w := signature(got.Type, 1), signature(m.Type, 1); g != w {
				t.Errorf("%v.%s%s, in package net %s", tw.aio, m.Name, g, w)
			}
		}
		for i := range tw.net.Elem().NumField() {
			f := tw.net.Elem().Field(i)
			got, ok := tw.aio.Elem().FieldByName(f.Name)
			if f.IsExported() && (!ok || got.Type != f.Type) {
				t.Errorf("%v has no field %s %v", tw.aio, f.Name, f.Type)
			}
		}
	}
}

// Every function of package net that makes something of those types is there, as a function and as a method of IO.
func TestFunctionsLikeNet(t *testing.T) {
	io := reflect.TypeFor[*aio.IO]()
	for name, f := range map[string]struct{ net, aio any }{
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
	} {
		want := signature(reflect.TypeOf(f.net), 0)
		if got := signature(reflect.TypeOf(f.aio), 0); got != want {
			t.Errorf("%s%s, in package net %s", name, got, want)
		}
		if m, ok := io.MethodByName(name); !ok {
			t.Errorf("IO has no method %s", name)
		} else if got := signature(m.Type, 1); got != want {
			t.Errorf("IO.%s%s, in package net %s", name, got, want)
		}
	}
}
