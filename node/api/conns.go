package api

import (
	"container/list"
	"net"
	"net/http"
	"sync"
	"time"
)

// conns bounds how many connections are open. At the bound the one that has been idle the longest makes room; where none is, the
// new one is told 503 and closed. Those that have a request under way are never touched.
type conns struct {
	most int

	mu   sync.Mutex
	open int
	idle *list.List // of net.Conn: without a request, the longest first
	at   map[net.Conn]*list.Element
}

func newConns(most int) *conns {
	return &conns{most: most, idle: list.New(), at: map[net.Conn]*list.Element{}}
}

// changed is the server's ConnState.
func (s *conns) changed(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	s.rests(c, state == http.StateNew || state == http.StateIdle)
	var leave net.Conn
	switch state {
	case http.StateNew:
		if s.open++; s.open > s.most {
			leave = s.idle.Front().Value.(net.Conn) // c itself is there
			s.rests(leave, false)
		}
	case http.StateClosed, http.StateHijacked:
		s.open--
	}
	s.mu.Unlock()
	if leave == nil {
		return
	}
	if leave == c {
		refuseConn(c)
	}
	_ = leave.Close() // the server notices, and calls again
}

// rests notes whether a connection has no request. s is locked.
func (s *conns) rests(c net.Conn, idle bool) {
	if e, ok := s.at[c]; ok {
		s.idle.Remove(e)
		delete(s.at, c)
	}
	if idle {
		s.at[c] = s.idle.PushBack(c)
	}
}

const refusedConn = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: " + mediaProblem + "\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 128\r\n\r\n" +
	`{"type":"urn:engramd:problem:busy","title":"Service Unavailable","status":503,"detail":"too many connections are open already"}` + "\n"

// refuseConn tells a client that there is no room for it. It never waits: what is written fits into the socket's buffer, and a TLS
// connection, which would have to shake hands first, is only closed.
func refuseConn(c net.Conn) {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return
	}
	_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = c.Write([]byte(refusedConn))
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
