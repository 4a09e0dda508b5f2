package runtime

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirgo/weir/backends"
)

// candidate is a backend that may be chosen, in the order of the table candidates.
type candidate struct {
	name string
	open func(o *Options, thread bool) (backends.Backend, error)
}

// knownBackends are the names that Options.Backend and WEIR_BACKEND may give, on any system.
var knownBackends = []string{"io_uring", "epoll", "kqueue", "iocp", "wasi", "portable"}

// choose opens the first backend that works, or the one that o forces, and says why that one.
func choose(o *Options, thread bool) (backends.Backend, string, error) {
	if o.OpenBackend != nil {
		be, err := o.OpenBackend(thread)
		return be, "given by Options.OpenBackend", err
	}
	var passed []string
	var errs error
	for _, c := range candidates {
		if o.Backend != "" && o.Backend != c.name {
			continue
		}
		be, err := c.open(o, thread)
		if err == nil {
			return be, reason(o, passed), nil
		}
		passed = append(passed, err.Error())
		errs = errors.Join(errs, err)
	}
	switch {
	case o.Backend != "" && errs != nil:
		return nil, "", fmt.Errorf("weir: backend %s cannot start: %w", o.Backend, errs)
	case o.Backend != "" && slices.Contains(knownBackends, o.Backend):
		goos, _ := osArch()
		return nil, "", fmt.Errorf("weir: backend %s is not available on %s: %w", o.Backend, goos, errors.ErrUnsupported)
	case o.Backend != "":
		return nil, "", fmt.Errorf("weir: no backend is called %q: want one of %s", o.Backend, strings.Join(knownBackends, ", "))
	case errs != nil:
		return nil, "", fmt.Errorf("weir: no backend can start: %w", errs)
	}
	goos, goarch := osArch()
	return nil, "", fmt.Errorf("weir: there is no backend for %s/%s yet: %w", goos, goarch, errors.ErrUnsupported)
}

const firstChoice = "first choice, and it works"

func reason(o *Options, passed []string) string {
	switch {
	case o.Backend != "":
		return "forced"
	case len(passed) == 0:
		return firstChoice
	}
	return "fallback: " + strings.Join(passed, "; ")
}
