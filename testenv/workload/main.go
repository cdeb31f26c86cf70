// Command workload is the service of the real-system tests; package service says what it does.
//
//	workload               serve until SIGTERM, as WORKLOAD_* says; exit 0, 1 (cannot run) or 3 (crashed on command)
//	workload health [URL]  ask the /health of the workload at URL, else the one that WORKLOAD_LISTEN names; exit 0 or 1
//	                       (for images without curl)
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/engramd/engramd/testenv/workload/service"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(log); err != nil {
		log.Error("failed", "error", err)
		if errors.Is(err, service.ErrCrash) {
			os.Exit(3)
		}
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	switch args := os.Args[1:]; {
	case len(args) == 1 && args[0] == "health":
		return health(own(os.Getenv("WORKLOAD_LISTEN")))
	case len(args) == 2 && args[0] == "health":
		return health(args[1])
	case len(args) > 0:
		return errors.New("usage: workload [health [URL]]")
	}
	config, err := service.FromEnv(os.Getenv)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return service.New(config, log).Run(ctx)
}

// own is the base URL, over loopback, of the service that listens on the given address.
func own(listen string) string {
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		port = "8080"
	}
	return "http://" + net.JoinHostPort("127.0.0.1", port)
}

func health(base string) error {
	client := &http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(base + "/health")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("health: %s", answer.Status)
	}
	return nil
}
