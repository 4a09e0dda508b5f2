// Command unixchat is a chat room on a unix socket: each line goes to all other members.
//
//	go run ./examples/unixchat serve PATH     # the room
//	go run ./examples/unixchat join PATH      # a member: reads lines from the terminal
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

// room is the set of members. The zero value is empty.
type room struct {
	mu      sync.Mutex
	members map[net.Conn]int // the members, by connection, and their numbers
	next    int
}

// serve accepts members until the listener is closed, and then closes their connections.
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
		number := r.enter(c)
		r.tell(c, fmt.Sprintf("* %d is here\n", number))
		all.Go(func() { r.host(c, number) })
	}
}

// enter adds a member and returns its number.
func (r *room) enter(c net.Conn) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members == nil {
		r.members = make(map[net.Conn]int)
	}
	r.next++
	r.members[c] = r.next
	return r.next
}

// host passes on the lines of one member until it leaves.
func (r *room) host(c net.Conn, number int) {
	for lines := bufio.NewScanner(c); lines.Scan(); {
		r.tell(c, fmt.Sprintf("%d: %s\n", number, lines.Text()))
	}
	r.mu.Lock()
	delete(r.members, c)
	r.mu.Unlock()
	c.Close()
	r.tell(c, fmt.Sprintf("* %d has left\n", number))
}

// tell sends a line to all members but one. It closes the connection of a member that does not read
// for a second.
func (r *room) tell(but net.Conn, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.members {
		if c == but {
			continue
		}
		c.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := io.WriteString(c, line); err != nil {
			c.Close()
		}
	}
}

// empty closes all connections.
func (r *room) empty() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.members {
		c.Close()
	}
}
