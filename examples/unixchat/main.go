// Command unixchat is a chat room on a unix socket: each line goes to everybody else.
//
//	go run ./examples/unixchat serve PATH     # the room
//	go run ./examples/unixchat join PATH      # somebody in it: reads lines from the terminal
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"github.com/weirgo/weir/aio"
)

func main() {
	if len(os.Args) != 3 || os.Args[1] != "serve" && os.Args[1] != "join" {
		fmt.Fprintln(os.Stderr, "usage: unixchat serve|join PATH")
		os.Exit(2)
	}
	do := join
	if os.Args[1] == "serve" {
		do = serve
	}
	if err := do(os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func serve(path string) error {
	ln, err := aio.Listen("unix", path)
	if err != nil {
		return err
	}
	return new(room).serve(ln)
}

func join(path string) error {
	c, err := aio.Dial("unix", path)
	if err != nil {
		return err
	}
	defer c.Close()
	go io.Copy(os.Stdout, c)
	_, err = io.Copy(struct{ io.Writer }{c}, os.Stdin)
	return err
}

// room is who is there. The zero value is empty.
type room struct {
	mu     sync.Mutex
	people map[net.Conn]int // and their numbers
	next   int
}

// serve lets people in until the listener is closed, and then sends them home.
func (r *room) serve(ln net.Listener) error {
	var all sync.WaitGroup
	defer all.Wait()
	defer r.empty()
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		who := r.enter(c)
		r.tell(c, fmt.Sprintf("* %d is here\n", who))
		all.Go(func() { r.host(c, who) })
	}
}

// enter lets somebody in and gives him a number.
func (r *room) enter(c net.Conn) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.people == nil {
		r.people = make(map[net.Conn]int)
	}
	r.next++
	r.people[c] = r.next
	return r.next
}

// host listens to one of them until he leaves.
func (r *room) host(c net.Conn, who int) {
	for lines := bufio.NewScanner(c); lines.Scan(); {
		r.tell(c, fmt.Sprintf("%d: %s\n", who, lines.Text()))
	}
	r.mu.Lock()
	delete(r.people, c)
	r.mu.Unlock()
	c.Close()
	r.tell(c, fmt.Sprintf("* %d has left\n", who))
}

// tell sends a line to all but one. Who does not listen for a second is shown out.
func (r *room) tell(but net.Conn, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.people {
		if c == but {
			continue
		}
		c.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := io.WriteString(c, line); err != nil {
			c.Close()
		}
	}
}

// empty ends everybody's connection.
func (r *room) empty() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.people {
		c.Close()
	}
}
