//go:build linux

package guide_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/weirgo/weir/aio"
)

// firstLine starts a command and reads the first line of its output.
func firstLine(ctx context.Context, name string, args ...string) (string, error) {
	r, w, err := aio.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	stdout, err := w.Detach() // an *os.File: w has given its descriptor away
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout = stdout
	err = cmd.Start()
	stdout.Close() // the process has its own
	if err != nil {
		return "", err
	}
	r.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := bufio.NewReader(r).ReadString('\n')
	return line, errors.Join(err, cmd.Wait())
}

func Example_firstLine() {
	line, err := firstLine(context.Background(), "echo", "a process")
	fmt.Printf("%q %v\n", line, err)
	// Output:
	// "a process\n" <nil>
}

func Example_waitProcess() {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := aio.WaitProcess(ctx, cmd.Process)
	fmt.Println("still running:", errors.Is(err, context.DeadlineExceeded))
	cmd.Process.Kill()
	state, err := aio.WaitProcess(context.Background(), cmd.Process)
	fmt.Println(state, err)
	// Output:
	// still running: true
	// signal: killed <nil>
}

// prompt reads a line from a terminal, or from anything else that a file is, and gives up after a
// while. The descriptor stays in the mode in which the shell has it.
func prompt(terminal *aio.File, patience time.Duration) (string, error) {
	if err := terminal.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err // a regular file: it never waits, and has no deadlines
	}
	return bufio.NewReader(terminal).ReadString('\n')
}

func Example_prompt() {
	std, input, err := os.Pipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer input.Close()
	terminal, err := aio.FromFile(std) // std has given its descriptor away
	if err != nil {
		fmt.Println(err)
		return
	}
	defer terminal.Close()
	_, err = prompt(terminal, 10*time.Millisecond)
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	fmt.Fprintln(input, "yes")
	fmt.Println(prompt(terminal, 10*time.Second))
	// Output:
	// true
	// yes
	//  <nil>
}
