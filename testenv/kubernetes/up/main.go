// Command up runs a test node until it is interrupted, for development by hand: it prints the path of the administrator's
// kubeconfig. `ctr` and the logs are named too.
//
//	go run ./testenv/kubernetes/up [LOGS]    end with Ctrl-C
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/engramd/engramd/testenv/kubernetes"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "up:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logs := os.TempDir()
	if len(os.Args) > 1 {
		logs = os.Args[1]
	}
	c, err := kubernetes.Start(logs)
	if err != nil {
		return err
	}
	fmt.Printf("KUBECONFIG=%s\nAPI server %s, kubelet %s, logs %s\n", c.Kubeconfig(), c.URL(), c.KubeletURL(), logs)
	<-ctx.Done()
	if left := c.Stop(); len(left) > 0 {
		return fmt.Errorf("left behind: %s", strings.Join(left, ", "))
	}
	return nil
}
