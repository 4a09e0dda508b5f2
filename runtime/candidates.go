package runtime

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/weirgo/weir/backends"
)

// candidate is a backend that may be chosen. The table candidates lists them in order of
// preference.
type candidate struct {
	name string
	open func(o *Options, thread bool) (backends.Backend, error)

	// onThread: an operation completes on the thread that submitted it, so the backend needs loops
	// with a thread of their own.
	onThread bool
}

// knownBackends are the names that Options.Backend and WEIR_BACKEND may give, on any system.
var knownBackends = []string{"io_uring", "epoll", "portable"}

// choose opens and starts the first of the backends that o allows that works, and says why it took
// that one. A backend works when start returns nil: set-up can succeed although use is denied. When
// start fails it has closed the backend.
func choose(o *Options, thread bool, start func(backends.Backend) error) (name, why string, err error) {
	if o.OpenBackend != nil {
		be, err := o.OpenBackend(thread)
		if err == nil {
			err = start(be)
		}
		if err != nil {
			return "", "", err
		}
		return be.Name(), "given by Options.OpenBackend", nil
	}
	allowed, err := parseBackends(o.Backend)
	if err != nil {
		return "", "", err
	}
	var passed []string
	var errs error
	for _, c := range allowed.order(candidates) {
		be, err := c.open(o, thread)
		if err == nil {
			err = start(be)
		}
		if err == nil {
			return c.name, allowed.reason(passed), nil
		}
		passed = append(passed, err.Error())
		errs = errors.Join(errs, err)
	}
	switch {
	case errs == nil:
		goos, goarch := osArch()
		return "", "", fmt.Errorf("weir: backend %s is not available on %s/%s: %w", allowed, goos, goarch,
			errors.ErrUnsupported)
	case len(allowed.only) == 1:
		return "", "", fmt.Errorf("weir: backend %s cannot start: %w", allowed, errs)
	}
	return "", "", fmt.Errorf("weir: no backend can start: %w", errs)
}

// needsThread reports whether be is one of the candidates that need a thread.
func needsThread(be backends.Backend) bool {
	return slices.ContainsFunc(candidates, func(c candidate) bool { return c.onThread && c.name == be.Name() })
}

// ofReadiness returns the part of a list of backends, in the form of Options.Backend, that is not
// bound to threads. If the list names none of those, it returns all of them.
func ofReadiness(list string) (string, error) {
	a, err := parseBackends(list)
	if err != nil {
		return "", err
	}
	bound := func(name string) bool {
		return slices.ContainsFunc(candidates, func(c candidate) bool { return c.onThread && c.name == name })
	}
	if a.only = slices.DeleteFunc(a.only, bound); len(a.only) > 0 {
		return strings.Join(a.only, ","), nil
	}
	var names []string
	for _, c := range candidates {
		if !c.onThread && !slices.Contains(a.not, c.name) {
			names = append(names, c.name)
		}
	}
	if len(names) == 0 {
		return "", errNotPollable
	}
	return strings.Join(names, ","), nil
}

// allowed is what Options.Backend allows: only those in only, in that order, or, if only is empty,
// all except those in not.
type allowed struct{ only, not []string }

func parseBackends(list string) (allowed, error) {
	var a allowed
	if list == "" {
		return a, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		to := &a.only
		name, forbidden := strings.CutPrefix(name, "-")
		if forbidden {
			to = &a.not
		}
		if !slices.Contains(knownBackends, name) {
			return a, fmt.Errorf("weir: Options.Backend: %w", unknown("backend", name, knownBackends))
		}
		*to = append(*to, name)
	}
	if len(a.only) > 0 && len(a.not) > 0 {
		return a, fmt.Errorf("weir: backends %q: either name those that may be taken or, with a minus sign each, "+
			"those that may not", list)
	}
	return a, nil
}

// order returns the candidates of all that may be tried, in order.
func (a allowed) order(all []candidate) []candidate {
	var list []candidate
	for _, name := range a.only {
		for _, c := range all {
			if c.name == name {
				list = append(list, c)
			}
		}
	}
	if len(a.only) > 0 {
		return list
	}
	for _, c := range all {
		if !slices.Contains(a.not, c.name) {
			list = append(list, c)
		}
	}
	return list
}

func (a allowed) String() string {
	switch {
	case len(a.only) > 0:
		return strings.Join(a.only, ", ")
	case len(a.not) > 0:
		return "other than " + strings.Join(a.not, ", ")
	}
	return "of any kind"
}

const (
	firstChoice = "first choice, and it works"
	fallback    = "fallback: "
)

func (a allowed) reason(passed []string) string {
	switch {
	case len(passed) > 0:
		return fallback + strings.Join(passed, "; ")
	case len(a.only) > 0:
		return "forced"
	case len(a.not) > 0:
		return "first that is allowed, and it works"
	}
	return firstChoice
}

// proven holds the names of the backends that have started on a thread in this process.
var proven sync.Map

// prove finds out whether a backend that has been opened for a thread works there, without starting
// it: it opens and starts another one on a thread of its own. On failure it closes be.
func prove(o *Options, be backends.Backend) error {
	if _, ok := proven.Load(be.Name()); ok || o.OpenBackend != nil {
		return nil
	}
	return tryOut(o, be)
}

// tryOut is prove that ignores earlier results: a seccomp filter may have been installed since.
func tryOut(o *Options, be backends.Backend) error {
	failed := make(chan error)
	go func() {
		lockThread() // never unlocked, so the thread ends with the goroutine: a ring leaves state on it
		failed <- func() error {
			i := slices.IndexFunc(candidates, func(c candidate) bool { return c.name == be.Name() })
			trial, err := candidates[i].open(o, true)
			if err != nil {
				return err
			}
			return errors.Join(trial.Bind(true), trial.Close())
		}()
	}()
	if err := <-failed; err != nil {
		return errors.Join(err, be.Close())
	}
	proven.Store(be.Name(), true)
	return nil
}
