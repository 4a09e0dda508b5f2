// Command httpserver is net/http on weir: the listener is all that changes.
//
//	go run ./examples/httpserver [ADDRESS]
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/weirgo/weir/aio"
)

func main() {
	address := append(os.Args[1:], "127.0.0.1:8080")[0]
	ln, err := aio.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(ln, http.HandlerFunc(hello)))
}

func hello(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s\n", r.URL.Path) }
