package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/engramd/engramd/agent/api"
)

// answering is an agent that answers as its channel says, and hangs while nothing comes.
type answering chan error

func (a answering) Ready(ctx context.Context) error {
	select {
	case err := <-a:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// TestNotify listens as systemd does.
func TestNotify(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	hears := func(want string) {
		t.Helper()
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		buf := make([]byte, 100)
		n, err := conn.Read(buf)
		if got := string(buf[:n]); err != nil || got != want {
			t.Fatalf("systemd hears %q (%v), want %q", got, err, want)
		}
	}
	silent := func() {
		t.Helper()
		conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if n, err := conn.Read(make([]byte, 100)); err == nil {
			t.Fatalf("systemd hears %d bytes of an agent that hangs", n)
		}
	}
	agent := make(answering)
	n := &notifier{agent: agent, log: slog.New(slog.DiscardHandler), every: time.Minute}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.run(ctx)
	}()
	silent()
	agent <- api.Unavailable("the first round of deciding is still to come") // which is an answer
	hears("READY=1")
	cancel()
	hears("STOPPING=1")
	<-ended

	n.every = 200 * time.Millisecond
	ctx, cancel = context.WithCancel(t.Context())
	ended = make(chan struct{})
	agent = make(answering, 3)
	n.agent = agent
	go func() {
		defer close(ended)
		n.run(ctx)
	}()
	silent() // a start may take longer than the watchdog's time
	agent <- nil
	agent <- nil
	agent <- errors.New("stopped") // no answer of a loop
	hears("READY=1")
	hears("WATCHDOG=1")
	silent()
	cancel()
	hears("STOPPING=1")
	<-ended
}
