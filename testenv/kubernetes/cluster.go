package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/engramd/engramd/testenv"
)

const (
	readyWithin = 60 * time.Second
	endWithin   = 30 * time.Second
)

// A Cluster is a Kubernetes of a test's own. Several tests may use it at a time, each with its own t, except for what starts
// and stops its parts.
type Cluster struct {
	env       environment
	programs  string // the directory of the cluster's programs
	logs      string // the directory of their logs
	authority *authority
	admin     *rest.Config
	client    *kubernetes.Clientset

	etcdPort, peerPort, apiPort int

	etcd, apiserver, controllers, scheduler *process

	node *node // nil: the API server alone

	stop func() []string // once
}

// APIServer starts etcd and the API server alone; they end with the test. Nothing makes service accounts, deletes the
// content of namespaces, or runs pods there.
func APIServer(t testing.TB) *Cluster {
	t.Helper()
	testenv.Need(t, "kubernetes")
	c, err := newCluster(testenv.Artifacts(t))
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() { c.end(t) })
	c.etcdPort, c.peerPort, c.apiPort = testenv.Port(t), testenv.Port(t), testenv.Port(t)
	if err := c.startAPI(); err != nil {
		t.Fatalf("testenv: start the API server: %v", err)
	}
	return c
}

// newCluster makes what a cluster is known by. Nothing runs yet.
func newCluster(logs string) (*Cluster, error) {
	programs, err := Programs()
	if err != nil {
		return nil, err
	}
	if err := Sweep(); err != nil {
		fmt.Fprintf(os.Stderr, "testenv: %v\n", err) // another test's, and no reason for this one to fail
	}
	env, err := newEnvironment()
	if err != nil {
		return nil, err
	}
	c := &Cluster{env: env, programs: programs, logs: logs}
	c.stop = sync.OnceValue(c.shutdown)
	if c.authority, err = newAuthority(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(env.Root))
	}
	return c, nil
}

// end stops the cluster and fails the test if anything is left.
func (c *Cluster) end(t testing.TB) {
	t.Helper()
	if left := c.stop(); len(left) > 0 {
		t.Errorf("testenv: left behind:\n\t%s", strings.Join(left, "\n\t"))
	}
}

// Stop ends the cluster and removes everything that it made: processes, mounts, interfaces, cgroups, files. It returns
// what is left, which should be nothing. It may be called more than once.
func (c *Cluster) Stop() (left []string) { return c.stop() }

func (c *Cluster) shutdown() []string {
	if c.node != nil {
		c.node.end()
	}
	for _, p := range c.all() {
		if p.running() {
			_ = p.cmd.Process.Kill() // it may have ended just now
		}
	}
	left := c.env.purge()
	if len(left) == 0 {
		for _, p := range c.all() {
			if p != nil {
				<-p.ended
			}
		}
	}
	return left
}

func (c *Cluster) all() []*process {
	parts := []*process{c.scheduler, c.controllers, c.apiserver, c.etcd}
	if c.node != nil {
		parts = append(parts, c.node.kubelet, c.node.containerd, c.node.pid1)
	}
	return parts
}

// start starts one of the cluster's programs, with its flags, where the cluster runs.
func (c *Cluster) start(name string, flags ...string) (*process, error) {
	return c.launch(name, exec.Command(filepath.Join(c.programs, name), flags...))
}

// keep starts one of the cluster's programs as start does, and again whenever it fails, as the kubelet does with those of a control plane:
// the scheduler ends itself when it finds its cache wrong, as after an API server that was away while pods came and went.
func (c *Cluster) keep(name string, flags ...string) (*process, error) {
	const again = `until "$@"; do echo "ended with $?: started again"; sleep 1; done`
	return c.launch(name, exec.Command("/bin/sh", append([]string{"-c", again, "sh", filepath.Join(c.programs, name)}, flags...)...))
}

func (c *Cluster) launch(name string, cmd *exec.Cmd) (*process, error) {
	cmd.Dir = c.env.Root
	cmd.Env = append(os.Environ(), "PATH="+c.programs+":/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR="+c.env.path("tmp"))
	return spawn(c.target(), cmd, filepath.Join(c.logs, name+".log"))
}

// target is the process whose namespaces the cluster runs in.
func (c *Cluster) target() int {
	if c.node == nil {
		return 0
	}
	return c.node.pid1.cmd.Process.Pid
}

// address is where the test reaches the cluster.
func (c *Cluster) address() netip.Addr {
	if c.node == nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return c.node.address(nodeAddress)
}

// Config is the administrator's access.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.admin) }

// Client is a client with the administrator's rights.
func (c *Cluster) Client() *kubernetes.Clientset { return c.client }

// URL is the API server's, as the test reaches it.
func (c *Cluster) URL() string {
	return "https://" + netip.AddrPortFrom(c.address(), uint16(c.apiPort)).String()
}

// Logs is the directory of the logs of the cluster's programs.
func (c *Cluster) Logs() string { return c.logs }

// StopAPIServer ends the API server in an orderly way; what it stores stays in etcd.
func (c *Cluster) StopAPIServer(t testing.TB) {
	t.Helper()
	if err := c.apiserver.end(syscall.SIGKILL, endWithin); err != nil {
		t.Fatalf("testenv: %v", err)
	}
}

// StartAPIServer starts the API server again, and waits until it is ready. It does nothing if it runs.
func (c *Cluster) StartAPIServer(t testing.TB) {
	t.Helper()
	if c.apiserver.running() {
		return
	}
	if err := c.startAPIServer(); err != nil {
		t.Fatalf("testenv: start the API server again: %v", err)
	}
}

// await asks until f gives no error, the process has ended, or too much time has passed.
func (c *Cluster) await(what string, p *process, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s has ended:\n%s", what, c.logTail(filepath.Base(p.cmd.Path)))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready within %v: %w\n%s", what, readyWithin, err, c.logTail(filepath.Base(p.cmd.Path)))
		case <-tick.C:
		}
	}
}

func (c *Cluster) logTail(name string) string {
	content, err := os.ReadFile(filepath.Join(c.logs, name+".log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(content[max(0, len(content)-3000):]))
}

// bound runs a request with a deadline of its own.
func bound(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return f(ctx)
}

// readyz asks a server of the cluster for its health, as the administrator.
func readyz(ctx context.Context, config *rest.Config, url string) error {
	transport, err := rest.TransportFor(config)
	if err != nil {
		return err
	}
	return bound(ctx, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := transport.RoundTrip(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", url, answer.Status)
		}
		return nil
	})
}
