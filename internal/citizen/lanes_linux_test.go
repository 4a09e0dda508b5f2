package citizen

import (
	"io"
	"net"
	"net/http"
	"time"
)

// What a lane does for a request.
const (
	laneEcho  = 'e' // answers
	laneSleep = 's' // sleeps for a nap and answers
	laneFile  = 'f' // sends a file, over and over
	lanePass  = 'p' // sends back what comes
)

// serveLanes has all connections served by coroutines of one scheduler, on weir, or else by
// goroutines.
func serveLanes(s *server, addresses map[string]string) error {
	l, err := s.listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addresses[onLane] = l.Addr().String()
	return s.lane(l, s.serveLane)
}

func (s *server) serveLane(l lane) {
	defer l.conn.Close()
	buf := make([]byte, messageSize)
	for {
		if _, err := io.ReadFull(l.conn, buf); err != nil {
			return
		}
		switch buf[0] {
		case laneSleep:
			l.sleep(nap)
		case laneFile:
			for {
				f, err := s.open(hugeFile(s.Dir))
				if err != nil {
					return
				}
				_, err = io.Copy(l.conn, l.file(f))
				f.Close()
				if err != nil {
					return
				}
			}
		case lanePass:
			io.Copy(l.conn, l.conn)
			return
		}
		if _, err := l.conn.Write(buf); err != nil {
			return
		}
	}
}

func serveHTTP(s *server, addresses map[string]string) error {
	l, err := s.listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addresses[onHTTP] = l.Addr().String()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	return nil
}

// dial connects, and keeps no trace of the connection when it is closed.
func dial(address string) (*net.TCPConn, error) {
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	tcp := c.(*net.TCPConn)
	return tcp, tcp.SetLinger(0)
}
