package api_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/agent/api"
)

// serve runs a server on a port of its own, or on addr, and returns its address.
func serve(t *testing.T, s *api.Server, addr string) string {
	t.Helper()
	ln, err := api.Listen(t.Context(), addr, "--listen")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ln) }()
	t.Cleanup(sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}))
	if strings.HasPrefix(addr, "unix://") {
		return addr
	}
	return ln.Addr().String()
}

func TestABusyPortNamesItsHolder(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = api.Listen(t.Context(), ln.Addr().String(), "listen.agent or --listen")
	if err == nil {
		t.Fatal("a port was taken twice")
	}
	for _, want := range []string{ln.Addr().String(), "api.test (pid " + fmt.Sprint(os.Getpid()) + ")", "listen.agent or --listen"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if _, err := api.Listen(t.Context(), "no such thing", "--listen"); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("got %v", err)
	}
}

func TestASocketThatWasLeftIsTakenOver(t *testing.T) {
	addr := "unix://" + t.TempDir() + "/s"
	left, err := net.Listen("unix", strings.TrimPrefix(addr, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.Listen(t.Context(), addr, "--listen"); err == nil || !strings.Contains(err.Error(), "another process answers") {
		t.Errorf("a live socket was taken: %v", err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	ln, err := api.Listen(t.Context(), addr, "--listen")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheEndDoesNotWaitForASlowBackend(t *testing.T) {
	s := server(t, &fake{hang: true}, api.Config{})
	ln, err := api.Listen(t.Context(), "127.0.0.1:0", "--listen")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ln) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /engramd/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	idle, err := net.Dial("tcp", ln.Addr().String()) // one that never says anything
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	begin := time.Now()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestALargeHeaderIsRefused(t *testing.T) {
	addr := serve(t, server(t, &fake{}, api.Config{}), "127.0.0.1:0")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	junk := strings.Repeat("x", 1<<20)
	go io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Junk: "+junk+"\r\n\r\n")
	answer := make([]byte, 12)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 431" {
		t.Errorf("%s, %v", answer, err)
	}
}

func TestServeSaysWhenItCannot(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := api.Serve(t.Context(), ln, says("x"), nil, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("served on a closed listener")
	}
}
