package inspect

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/weirgo/weir/coro"
	aiort "github.com/weirgo/weir/runtime"
)

// clean replaces what does not print, so that a name can neither end its line nor command a
// terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// text writes the report for a terminal.
func (r *Report) text(to *bytes.Buffer) {
	i := &r.IO.Info
	fmt.Fprintf(to, "weir on %s, waits on %s, drive %s, %s\n%s\n", clean(i.Backend), clean(i.Waits), clean(i.Drive),
		clean(i.Kernel), clean(i.Reason))
	if len(i.Fallbacks) > 0 {
		fmt.Fprintf(to, "done as system calls: %s\n", clean(strings.Join(i.Fallbacks, " ")))
	}
	fmt.Fprintf(to, "in flight %d, direct %d, enters %d, SQEs %d, CQEs %d, wakes %d, cancels %d\n", r.Stats.InFlight,
		r.Stats.Direct, r.Stats.Enters, r.Stats.SQEs, r.Stats.CQEs, r.Stats.Wakes, r.Stats.Cancels)
	for _, kind := range slices.Sorted(maps.Keys(r.Stats.Ops)) {
		fmt.Fprintf(to, "  %s %d\n", clean(kind), r.Stats.Ops[kind])
	}
	for n := range r.IO.Loops {
		fmt.Fprintf(to, "\nloop %d", n)
		loopText(to, &r.IO.Loops[n])
	}
	for n := range r.Schedulers {
		s := &r.Schedulers[n]
		fmt.Fprintf(to, "\nscheduler %s: %s, tasks %d, ready %d, omitted %d", clean(s.Name), s.State, s.Stats.Tasks,
			s.Ready,
			s.Omitted)
		if s.Current != "" {
			fmt.Fprintf(to, ", kept by task %s", clean(s.Current))
		}
		to.WriteString("\n")
		stackText(to, s.CurrentStack)
		tasksText(to, s.Tasks)
		to.WriteString("its loop")
		loopText(to, &s.Loop)
	}
}

func loopText(to *bytes.Buffer, l *aiort.LoopSnapshot) {
	fmt.Fprintf(to, ": %s on %s, drive %s, thread %d, in flight %d, queued %d, timers %d, room %d, pool %d+%d, "+
		"omitted %d",
		l.State, clean(l.Backend), l.Drive, l.Thread, l.InFlight, l.Queued, l.Timers, l.Room, l.Pool, l.PoolWait,
		l.Omitted)
	if l.State == aiort.LoopStuck {
		fmt.Fprintf(to, ", for %v", l.Stuck.Round(time.Millisecond))
	}
	if l.Error != "" {
		fmt.Fprintf(to, ", %s", clean(l.Error))
	}
	to.WriteString("\n")
	if len(l.Operations) == 0 {
		return
	}
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "  KIND\tSTATE\tAGE\tDEADLINE\tFD\tSIZE\tWAITER\tWHAT")
	byAge := slices.Clone(l.Operations)
	slices.SortStableFunc(byAge, func(a, b aiort.Operation) int { return cmp.Compare(b.Age, a.Age) })
	for i := range byAge {
		o := &byAge[i]
		age, deadline := o.Age.Round(time.Microsecond).String(), "-"
		if o.AtLeast {
			age = ">" + age
		}
		if o.Deadline != nil {
			deadline = o.Deadline.Round(time.Microsecond).String()
		}
		what := []string{o.Path, o.File, o.Local, o.Peer}
		if o.Stopping != "" {
			what = append(what, "stopping: "+o.Stopping)
		}
		if c := o.Chain; c != nil {
			what = append(what, fmt.Sprintf("%d of %d in batch %d", c.Place+1, c.Of, c.Batch))
		}
		what = slices.DeleteFunc(what, func(s string) bool { return s == "" })
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", o.Kind, o.State, age, deadline, o.FD, o.Size, o.Waiter,
			clean(strings.Join(what, "  ")))
	}
	w.Flush()
}

// tasksText writes tasks as a tree.
func tasksText(to *bytes.Buffer, tasks []coro.TaskState) {
	children := map[uint32][]*coro.TaskState{}
	for i := range tasks {
		children[tasks[i].Parent] = append(children[tasks[i].Parent], &tasks[i])
	}
	type entry struct {
		t     *coro.TaskState
		depth int
	}
	var todo []entry
	add := func(of uint32, depth int) {
		for _, t := range slices.Backward(children[of]) {
			todo = append(todo, entry{t, depth})
		}
	}
	for add(0, 1); len(todo) > 0; {
		e := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		fmt.Fprintf(to, "%s%s #%d: %s", strings.Repeat("  ", min(e.depth, 40)), clean(e.t.Name), e.t.ID, e.t.State)
		if e.t.Waits != "" {
			fmt.Fprintf(to, " for %s", e.t.Waits)
		}
		if e.t.Kind != "" {
			fmt.Fprintf(to, " (%s, fd %d)", e.t.Kind, e.t.FD)
		}
		fmt.Fprintf(to, ", %v\n", e.t.For.Round(time.Microsecond))
		stackText(to, e.t.Stack)
		add(e.t.ID, e.depth+1)
	}
}

func stackText(to *bytes.Buffer, stack string) {
	if stack == "" {
		return
	}
	for line := range strings.SplitSeq(stack, "\n") {
		fmt.Fprintf(to, "      | %s\n", clean(strings.ReplaceAll(line, "\t", "    ")))
	}
}
