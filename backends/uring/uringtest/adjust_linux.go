package uringtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/uring"
	"github.com/weirgo/weir/internal/sys"
)

// essential lists the operations that a ring cannot do without.
var essential = map[sys.Opcode]bool{
	sys.OpNop: true, sys.OpPollAdd: true, sys.OpPollRemove: true, sys.OpAsyncCancel: true,
}

// FromEnv applies WEIR_URING to every ring that is opened from now on.
func FromEnv() {
	env := os.Getenv("WEIR_URING")
	if env == "" {
		return
	}
	var adjust []func(*uring.Config)
	for part := range strings.SplitSeq(env, ",") {
		f, err := parse(part)
		if err != nil {
			panic(fmt.Sprintf("WEIR_URING=%s: %v", env, err))
		}
		adjust = append(adjust, f)
	}
	uring.Adjust = func(c *uring.Config) {
		for _, f := range adjust {
			f(c)
		}
	}
}

func parse(part string) (func(*uring.Config), error) {
	key, value, _ := strings.Cut(part, "=")
	n, err := strconv.ParseUint(value, 0, 32)
	switch key {
	case "rung":
		return func(c *uring.Config) { c.Rung = int(n) }, err
	case "hide":
		return func(c *uring.Config) { c.Hide |= uint32(n) }, err
	case "deny":
		var deny []sys.Opcode
		for op := range sys.OpLast {
			if !essential[op] && (value == "all" || err == nil && op == sys.Opcode(n)) {
				deny = append(deny, op)
			}
		}
		if deny == nil {
			return nil, fmt.Errorf("no operation that can be denied is called %q", value)
		}
		return func(c *uring.Config) { c.Deny = deny }, nil
	case "without":
		var without []backends.Code
		for code := range backends.Code(backends.NumCodes) {
			if code != backends.OpNop && code != backends.OpPoll && (value == "all" || code.String() == value) {
				without = append(without, code)
			}
		}
		if without == nil {
			return nil, fmt.Errorf("no operation that can be missing is called %q", value)
		}
		return func(c *uring.Config) { c.Without = without }, nil
	}
	return nil, fmt.Errorf("%q is none of rung, hide, deny, without", key)
}
