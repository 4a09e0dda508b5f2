package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// What became of a test.
const (
	pass    = "PASS"
	fail    = "FAIL"
	skip    = "SKIP"
	crash   = "CRASH"   // the process ended during it
	hang    = "HANG"    // the process said nothing for too long during it
	dropped = "DROPPED" // it does not compile with aio's types
)

// results are what became of tests and subtests, by their names.
type results map[string]string

// A runner runs a test binary.
type runner struct {
	ctx      context.Context // when it is over, so is the process
	bin, dir string
	env      []string
	flags    []string
	silence  time.Duration // how long the binary may say nothing
	log      io.Writer
}

// list names the tests of the binary that match, and not those that are to be left out.
func (r *runner) list(match, without string) ([]string, error) {
	out, err := run(r.dir, r.env, r.bin, "-test.list", match)
	if err != nil {
		return nil, err
	}
	not := regexp.MustCompile(without)
	var tests []string
	for _, name := range strings.Fields(out) {
		if strings.HasPrefix(name, "Test") && (without == "" || !not.MatchString(name)) {
			tests = append(tests, name)
		}
	}
	return tests, nil
}

// run has every test its turn. A process that crashes or hangs takes the tests with it that it was
// at; another one goes on with those that it had not come to.
func (r *runner) run(tests []string) (results, error) {
	res := results{}
	for todo := slices.Clone(tests); len(todo) > 0; {
		p := r.process(todo, res)
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		if p.err != nil {
			return nil, p.err
		}
		end := crash
		if p.hung {
			end = hang
		}
		for _, name := range p.at() {
			res[name] = end
		}
		left := slices.DeleteFunc(slices.Clone(todo), func(name string) bool { return res[name] != "" })
		if len(left) == len(todo) {
			return nil, fmt.Errorf("%s does not run one of its tests, see its log: %s", r.bin, strings.Join(left, " "))
		}
		todo = left
	}
	return res, nil
}

// A process is one that has run tests.
type process struct {
	begun []string // top-level tests that are neither over nor paused, in their order
	hung  bool
	err   error
}

// at are the tests that a process which has ended early was at: all, if it hung; otherwise what it
// had begun last.
func (p *process) at() []string {
	if p.hung || len(p.begun) < 2 {
		return p.begun
	}
	return p.begun[len(p.begun)-1:]
}

var (
	lineEvent = regexp.MustCompile(`^=== (RUN|CONT|NAME|PAUSE)\s+([^/\s]+)`)
	lineEnd   = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+) \(`)
)

func (r *runner) process(tests []string, res results) process {
	args := append([]string{"-test.v", "-test.timeout=30m", "-test.run=^(" + strings.Join(tests, "|") + ")$"},
		r.flags...)
	cmd := exec.CommandContext(r.ctx, r.bin, args...)
	cmd.Dir, cmd.Env = r.dir, append(cmd.Environ(), r.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its children can be ended with it
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return process{err: err}
	}
	var p process
	silent := make(chan struct{}) // closed when the process has said nothing for too long
	timer := time.AfterFunc(r.silence, func() {
		close(silent)
		cmd.Process.Signal(syscall.SIGQUIT)
		time.Sleep(3 * time.Second) // for the stacks
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	})
	go func() {
		cmd.Wait() // a failed test is in the output, as is what else there is to say
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		writer.Close()
	}()
	for lines := bufio.NewReader(reader); ; {
		line, err := lines.ReadString('\n')
		io.WriteString(r.log, line)
		select {
		case <-silent:
			p.hung = true
		default:
			timer.Reset(r.silence)
		}
		p.note(line, res)
		if err != nil {
			timer.Stop()
			return p
		}
	}
}

// note reads one line of output.
func (p *process) note(line string, res results) {
	if m := lineEvent.FindStringSubmatch(line); m != nil {
		p.begun = slices.DeleteFunc(p.begun, func(name string) bool { return name == m[2] })
		if m[1] != "PAUSE" {
			p.begun = append(p.begun, m[2])
		}
	} else if m := lineEnd.FindStringSubmatch(line); m != nil {
		res[m[2]] = m[1]
		p.begun = slices.DeleteFunc(p.begun, func(name string) bool { return name == m[2] })
	}
}
