package docker

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/engramd/engramd/testenv"
)

const (
	readyWithin = 2 * time.Minute // an emulated host takes its time
	endWithin   = 30 * time.Second
)

// A Daemon is a Docker Engine of a test's own. Its methods are for the test's goroutine, except Client, Host and Logs.
type Daemon struct {
	t         testing.TB
	env       environment
	options   options
	subnet    netip.Prefix
	artifacts string
	client    *client.Client

	containerd, dockerd *process
	stop                func() // once
}

// Start starts an engine and waits until it answers. It skips or fails the test as [testenv.Need] says.
func Start(t testing.TB, options ...Option) *Daemon {
	t.Helper()
	testenv.Need(t, "docker")
	if err := Sweep(); err != nil {
		t.Logf("testenv: %v", err) // another test's, and no reason for this one to fail
	}
	env, err := newEnvironment()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	d := &Daemon{t: t, env: env, subnet: claimSubnet(t), artifacts: testenv.Artifacts(t)}
	for _, option := range options {
		option(&d.options)
	}
	d.stop = sync.OnceFunc(d.shutdown)
	t.Cleanup(d.Stop)
	if d.client, err = client.New(client.WithHost(d.Host())); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	if err := d.start(); err != nil {
		t.Fatalf("testenv: start dockerd: %v", err)
	}
	return d
}

// start brings up containerd, which dockerd waits for, and dockerd.
func (d *Daemon) start() error {
	if d.options.defaultBridge {
		address := netip.PrefixFrom(d.slash24(0).Addr().Next(), 24)
		if err := createBridge(d.env.bridge(), address); err != nil {
			return err
		}
	}
	if err := d.startContainerd(); err != nil {
		return err
	}
	return d.startDockerd()
}

func (d *Daemon) startContainerd() error {
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n",
		d.env.path("containerd", "root"), d.env.path("containerd", "state"), d.containerdSocket())
	if err := os.WriteFile(d.env.path("containerd.toml"), []byte(config), 0o600); err != nil {
		return err
	}
	var err error
	d.containerd, err = spawn(filepath.Join(d.artifacts, "containerd.log"), "containerd", "--config", d.env.path("containerd.toml"))
	return err
}

func (d *Daemon) containerdSocket() string { return d.env.path("containerd.sock") }

// startDockerd starts dockerd and waits until it answers.
func (d *Daemon) startDockerd() error {
	// An empty file of its own keeps the machine's /etc/docker/daemon.json out.
	if err := os.WriteFile(d.env.path("daemon.json"), []byte("{}"), 0o600); err != nil {
		return err
	}
	var err error
	if d.dockerd, err = spawn(d.Logs(), "dockerd", d.flags()...); err != nil {
		return err
	}
	return d.awaitReady()
}

func (d *Daemon) flags() []string {
	bridge := "none"
	if d.options.defaultBridge {
		bridge = d.env.bridge()
	}
	flags := []string{
		"--config-file", d.env.path("daemon.json"), "--host", d.Host(), "--containerd", d.containerdSocket(),
		"--data-root", d.env.path("data"), "--exec-root", d.env.path("exec"), "--pidfile", d.env.path("dockerd.pid"),
		"--cgroup-parent", d.env.CgroupParent, "--bridge", bridge,
		"--default-address-pool", fmt.Sprintf("base=%v,size=24", netip.PrefixFrom(d.slash24(128).Addr(), 17)),
		"--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--raw-logs",
	}
	if d.options.liveRestore {
		flags = append(flags, "--live-restore")
	}
	return append(flags, d.options.flags...)
}

func (d *Daemon) awaitReady() error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience(readyWithin))
	defer cancel()
	for {
		_, err := d.client.Ping(ctx, client.PingOptions{})
		if err == nil {
			return nil
		}
		select {
		case <-d.dockerd.ended:
			return fmt.Errorf("it has ended:\n%s", d.logTail())
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v: %w\n%s", readyWithin, err, d.logTail())
		case <-tick.C:
		}
	}
}

// Host is the engine's address, as DOCKER_HOST has it.
func (d *Daemon) Host() string { return "unix://" + d.env.path("docker.sock") }

// Client talks to the engine. It belongs to the Daemon, which closes it.
func (d *Daemon) Client() *client.Client { return d.client }

// Logs is the file that dockerd logs to, over all its restarts. It stays among the artifacts.
func (d *Daemon) Logs() string { return filepath.Join(d.artifacts, "dockerd.log") }

func (d *Daemon) logTail() string {
	content, err := os.ReadFile(d.Logs())
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(content[max(0, len(content)-3000):]))
}

// Kill kills dockerd with SIGKILL, as a crash would. containerd and the containers live on; dockerd ends the containers
// when it is started again, unless it has LiveRestore.
func (d *Daemon) Kill() {
	d.t.Helper()
	if err := d.dockerd.end(syscall.SIGKILL, endWithin); err != nil {
		d.t.Fatalf("testenv: %v", err)
	}
}

// Restart starts dockerd again, after it was killed or after stopping it in an orderly way, and waits until it answers.
func (d *Daemon) Restart() {
	d.t.Helper()
	if err := d.dockerd.end(syscall.SIGTERM, endWithin); err != nil {
		d.t.Fatalf("testenv: %v", err)
	}
	if err := d.startDockerd(); err != nil {
		d.t.Fatalf("testenv: restart dockerd: %v", err)
	}
}

// Freeze stops dockerd without ending it: it accepts connections and never answers, until Thaw.
func (d *Daemon) Freeze() { d.signal(syscall.SIGSTOP) }

// Thaw lets a frozen dockerd go on.
func (d *Daemon) Thaw() { d.signal(syscall.SIGCONT) }

func (d *Daemon) signal(sig syscall.Signal) {
	d.t.Helper()
	if err := d.dockerd.cmd.Process.Signal(sig); err != nil {
		d.t.Fatalf("testenv: %v to dockerd: %v", sig, err)
	}
}

// Stop ends the engine and removes everything that it made: containers, processes, mounts, interfaces, cgroups, files. It
// fails the test if anything is left. It may be called more than once; t.Cleanup calls it.
func (d *Daemon) Stop() {
	d.t.Helper()
	d.stop()
}

func (d *Daemon) shutdown() {
	d.t.Helper()
	if d.t.Failed() {
		d.t.Logf("the end of dockerd's log:\n%s", d.logTail())
	}
	d.keepContainers()
	if d.client != nil {
		_ = d.client.Close()
	}
	if left := d.env.purge(); len(left) > 0 {
		d.t.Errorf("testenv: left behind:\n\t%s", strings.Join(left, "\n\t"))
		return // what cannot be killed would be waited for without end
	}
	for _, p := range []*process{d.dockerd, d.containerd} {
		if p != nil {
			<-p.ended
		}
	}
}

// keepContainers copies what the engine's files say about its containers, alive or not, to the artifacts.
func (d *Daemon) keepContainers() {
	files, _ := filepath.Glob(d.env.path("data", "containers", "*", "*"))
	for _, file := range files {
		id, name := filepath.Base(filepath.Dir(file)), filepath.Base(file)
		switch {
		case strings.HasSuffix(name, "-json.log"):
			name = "log.jsonl"
		case name != "config.v2.json" && name != "hostconfig.json":
			continue
		}
		content, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(d.artifacts, id[:min(12, len(id))]+"-"+name), content, 0o644)
		}
		if err != nil {
			d.t.Logf("testenv: keep %s: %v", file, err)
		}
	}
}
