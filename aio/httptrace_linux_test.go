//go:build !weir_portable

package aio_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"

	"github.com/weirgo/weir/aio"
)

// An http.Client on weir's connections tells an httptrace.ClientTrace of them if its dial function
// does.
func ExampleIO_DialContext_httptrace() {
	weir, err := aio.New(aio.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer weir.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{Handler: http.NotFoundHandler()}
	go server.Serve(ln)
	defer server.Close()

	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		trace := httptrace.ContextClientTrace(ctx)
		if trace != nil && trace.ConnectStart != nil {
			trace.ConnectStart(network, address)
		}
		c, err := weir.DialContext(ctx, network, address)
		if trace != nil && trace.ConnectDone != nil {
			trace.ConnectDone(network, address, err)
		}
		return c, err
	}}
	defer transport.CloseIdleConnections()

	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		ConnectStart: func(network, address string) {
			fmt.Println("connecting by", network,
				address == ln.Addr().String())
		},
		ConnectDone: func(_, _ string, err error) { fmt.Println("connected:", err) },
	})
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+ln.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	response.Body.Close()
	fmt.Println(response.StatusCode)
	// Output:
	// connecting by tcp true
	// connected: <nil>
	// 404
}
