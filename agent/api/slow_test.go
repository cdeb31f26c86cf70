package api_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/agent/api"
)

// A pipes is a listener without a network, so that slow clients run in virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

func TestSlowClientsAreLetGo(t *testing.T) {
	large := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		for r.Method == http.MethodGet && err == nil {
			_, err = w.Write(make([]byte, 1<<16))
		}
	})
	tests := map[string]struct {
		says string
		most time.Duration
	}{
		"says nothing":         {"", 10 * time.Second},
		"half a header":        {"GET / HTTP/1.1\r\nHost: x\r\nX-", 10 * time.Second},
		"half a body":          {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", 4 * time.Minute},
		"never reads":          {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 4 * time.Minute},
		"idle after an answer": {"GET /missing HTTP/1.1\r\nHost: x\r\n\r\n", 3 * time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := http.NewServeMux()
				mux.Handle("/{$}", large)
				p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- api.Serve(ctx, p, mux, nil, slog.New(slog.DiscardHandler)) }()
				conn := p.dial()
				if _, err := io.Copy(conn, strings.NewReader(test.says)); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				if name == "never reads" {
					time.Sleep(test.most)
				}
				// The end of the connection is what is waited for.
				_, _ = io.Copy(io.Discard, conn)
				if took := time.Since(begin); took > test.most {
					t.Errorf("held for %v", took)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
