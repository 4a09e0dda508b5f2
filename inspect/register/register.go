// Package register serves what aio.Default is doing at /debug/weir/ of http.DefaultServeMux, when
// it is imported:
//
//	import _ "github.com/weirgo/weir/inspect/register"
//
// The comment of package inspect says what that discloses. A server that uses another mux, or a
// program with an IO of its own, calls inspect.Handler instead.
package register

import (
	"net/http"

	"github.com/weirgo/weir/inspect"
)

func init() { http.Handle("/debug/weir/", inspect.Handler(nil)) }
