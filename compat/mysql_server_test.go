package compat

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
)

// mysqlServer speaks as much of MySQL's protocol as a client needs for plain queries, as they are
// described in "MySQL Internals, Client/Server Protocol". It accepts every user. Its queries are
//
//	ECHO text   one row with the text
//	ROWS n      n rows: a number, and text(number)
//	FAIL        an error
//	HANG        no answer
type mysqlServer struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
	all   sync.WaitGroup
}

func (s *mysqlServer) serve(ln net.Listener) {
	for id := uint32(1); ; id++ {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		s.all.Go(func() {
			c := &mysqlConn{r: bufio.NewReader(conn), w: bufio.NewWriter(conn)}
			c.serve(id)
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
			conn.Close()
		})
	}
}

// drop closes the connections there are.
func (s *mysqlServer) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

type mysqlConn struct {
	r   *bufio.Reader
	w   *bufio.Writer
	seq byte
}

const maxMySQLPacket = 1<<24 - 1

// packet reads a packet, which may come in parts.
func (c *mysqlConn) packet() ([]byte, error) {
	var all []byte
	for {
		var head [4]byte
		if _, err := io.ReadFull(c.r, head[:]); err != nil {
			return nil, err
		}
		n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
		c.seq = head[3] + 1
		part := make([]byte, n)
		if _, err := io.ReadFull(c.r, part); err != nil {
			return nil, err
		}
		if all = append(all, part...); n < maxMySQLPacket {
			return all, nil
		}
	}
}

func (c *mysqlConn) write(p []byte) {
	for {
		n := min(len(p), maxMySQLPacket)
		c.w.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16), c.seq})
		c.w.Write(p[:n])
		c.seq++
		if p = p[n:]; n < maxMySQLPacket {
			return
		}
	}
}

func lenenc(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 251:
		b = append(b, byte(n))
	case n < 1<<16:
		b = append(b, 0xfc, byte(n), byte(n>>8))
	case n < 1<<24:
		b = append(b, 0xfd, byte(n), byte(n>>8), byte(n>>16))
	default:
		b = binary.LittleEndian.AppendUint64(append(b, 0xfe), uint64(n))
	}
	return append(b, s...)
}

var (
	mysqlOK  = []byte{0x00, 0, 0, 2, 0, 0, 0}
	mysqlEOF = []byte{0xfe, 0, 0, 2, 0}
)

func mysqlErr(code uint16, text string) []byte {
	return append([]byte{0xff, byte(code), byte(code >> 8), '#', 'H', 'Y', '0', '0', '0'}, text...)
}

func (c *mysqlConn) serve(id uint32) {
	// LONG_PASSWORD CONNECT_WITH_DB PROTOCOL_41 TRANSACTIONS SECURE_CONNECTION PLUGIN_AUTH
	const capabilities = 1<<0 | 1<<3 | 1<<9 | 1<<13 | 1<<15 | 1<<19
	hello := append([]byte{10}, "8.0.0-compat\x00"...)
	hello = binary.LittleEndian.AppendUint32(hello, id)
	hello = append(hello, "saltsalt\x00"...)
	hello = binary.LittleEndian.AppendUint16(hello, capabilities&0xffff)
	hello = append(hello, 45, 2, 0)
	hello = binary.LittleEndian.AppendUint16(hello, capabilities>>16)
	hello = append(hello, 21)
	hello = append(hello, make([]byte, 10)...)
	hello = append(hello, "saltsaltsalt\x00mysql_native_password\x00"...)
	c.write(hello)
	if c.w.Flush() != nil {
		return
	}
	if _, err := c.packet(); err != nil {
		return
	}
	c.write(mysqlOK)
	for c.w.Flush() == nil {
		p, err := c.packet()
		if err != nil || len(p) == 0 || p[0] == 1 { // COM_QUIT
			return
		}
		switch p[0] {
		case 3: // COM_QUERY
			if c.query(string(p[1:])) != nil {
				return
			}
		case 2, 14: // COM_INIT_DB, COM_PING
			c.write(mysqlOK)
		default:
			c.write(mysqlErr(1047, "unknown command"))
		}
	}
}

func (c *mysqlConn) query(q string) error {
	verb, rest, _ := strings.Cut(q, " ")
	switch verb {
	case "SET":
		c.write(mysqlOK)
	case "ECHO":
		c.rows(1, func(int) []string { return []string{rest} }, "text")
	case "ROWS":
		n, err := strconv.Atoi(rest)
		if err != nil {
			c.write(mysqlErr(1064, "how many?"))
			return nil
		}
		c.rows(n, func(i int) []string { return []string{strconv.Itoa(i), text(i%1000, i)} }, "n", "text")
	case "HANG":
		_, err := c.r.ReadByte() // until the client goes
		return err
	default:
		c.write(mysqlErr(1105, fmt.Sprintf("cannot %s", verb)))
	}
	return nil
}

// rows writes a result set, all of strings.
func (c *mysqlConn) rows(n int, row func(i int) []string, columns ...string) {
	c.write([]byte{byte(len(columns))})
	for _, name := range columns {
		d := lenenc(nil, "def")
		for _, s := range []string{"", "", "", name, name} {
			d = lenenc(d, s)
		}
		d = append(d, 12, 45, 0)                                 // utf8mb4
		d = binary.LittleEndian.AppendUint32(d, 1<<24)           // width
		c.write(append(d, 0xfd /* VAR_STRING */, 0, 0, 0, 0, 0)) // flags, decimals, filler
	}
	c.write(mysqlEOF)
	for i := range n {
		var p []byte
		for _, v := range row(i) {
			p = lenenc(p, v)
		}
		c.write(p)
	}
	c.write(mysqlEOF)
}
