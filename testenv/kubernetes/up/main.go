// Command up runs a test node until it is interrupted, for development by hand.
//
//	go run ./testenv/kubernetes/up DIR    end with Ctrl-C or SIGTERM
//
// DIR keeps the logs, and the administrator's kubeconfig while the node runs. The image engramd.test/workload:1 is there;
// more can be loaded with the ctr that the output names.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/kubernetes"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: up DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "up:", err)
		os.Exit(1)
	}
}

func run(dir string) (err error) {
	ctx, interrupted := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer interrupted()
	workload, err := testenv.Binary("testenv/workload")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	c, err := kubernetes.Start(dir)
	if err != nil {
		return err
	}
	defer func() {
		if left := c.Stop(); len(left) > 0 {
			err = errors.Join(err, fmt.Errorf("left behind: %s", strings.Join(left, ", ")))
		}
	}()
	if err := c.LoadImage(kubernetes.Workload(workload)); err != nil {
		return err
	}
	link := filepath.Join(dir, "kubeconfig")
	_ = os.Remove(link) // one of an earlier node, or none
	if err := os.Symlink(c.Kubeconfig(), link); err != nil {
		return err
	}
	defer os.Remove(link)
	fmt.Printf("export KUBECONFIG=%s\nAPI server %s, kubelet %s\nctr: %s\n", link, c.URL(), c.KubeletURL(), strings.Join(c.Ctr(), " "))
	<-ctx.Done()
	return nil
}
