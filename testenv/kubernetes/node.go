package kubernetes

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/testenv"
)

// NodeName is the node's name in the cluster.
const NodeName = "node"

// The last two numbers of the addresses in 10.N.0.0/16.
var (
	testAddress    = [2]byte{0, 1} // the test's end of the veth pair
	nodeAddress    = [2]byte{0, 2}
	serviceAddress = [2]byte{1, 1} // of the API server's service, which is the node's own
)

// A node is the machine that the cluster runs on, as far as the kernel goes.
type node struct {
	subnet   netip.Prefix // 10.N.0.0/16
	unclaim  func()
	pid1     *process // whose namespaces are the node's
	loading  sync.Mutex
	hasImage map[string]bool // while loading is locked

	containerd, kubelet *process
}

// address is one of the node's own.
func (n *node) address(last [2]byte) netip.Addr {
	bytes := n.subnet.Addr().As4()
	bytes[2], bytes[3] = last[0], last[1]
	return netip.AddrFrom4(bytes)
}

func (n *node) slash24(third byte) netip.Prefix {
	return netip.PrefixFrom(n.address([2]byte{third, 0}), 24)
}

func (n *node) end() {
	if n.pid1.running() {
		_ = n.pid1.cmd.Process.Kill() // it may have ended just now
	}
	n.unclaim()
}

// startNode makes the namespaces, joins them to the test's network, and waits for pid1's word.
func (c *Cluster) startNode(pid1 string) error {
	subnet, unclaim, err := testenv.ClaimSubnet()
	if err != nil {
		return err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		unclaim()
		return err
	}
	defer reader.Close()
	cmd := exec.Command(pid1, c.env.Root+"/")
	cmd.Stdout = writer
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	first, err := spawn(0, cmd, c.logs+"/pid1.log")
	writer.Close()
	if err != nil {
		unclaim()
		return err
	}
	c.node = &node{subnet: subnet, unclaim: unclaim, pid1: first, hasImage: map[string]bool{}}
	if word, err := bufio.NewReader(reader).ReadString('\n'); word != "ready\n" {
		return fmt.Errorf("prepare the node: %w: %s", errors.Join(err), c.logTail("pid1"))
	}
	return c.joinNetwork()
}

// joinNetwork connects the node with the test by a veth pair; the service's address is one of the node's, so that it
// answers without a kube-proxy.
func (c *Cluster) joinNetwork() error {
	pid, device, n := c.target(), c.env.device(), c.node
	commands := []struct {
		target int
		line   string
	}{
		{0, fmt.Sprintf("ip link add %s type veth peer name eth0 netns %d", device, pid)},
		{0, fmt.Sprintf("ip address add %v/24 dev %s", n.address(testAddress), device)},
		{0, fmt.Sprintf("ip link set %s up", device)},
		{pid, "ip link set lo up"},
		{pid, fmt.Sprintf("ip address add %v/32 dev lo", n.address(serviceAddress))},
		{pid, fmt.Sprintf("ip address add %v/24 dev eth0", n.address(nodeAddress))},
		{pid, "ip link set eth0 up"},
		{pid, fmt.Sprintf("ip route add default via %v", n.address(testAddress))},
		{pid, "sysctl -q -w net.ipv4.ip_forward=1"},
		{0, fmt.Sprintf("ip route add %v via %v", n.subnet, n.address(nodeAddress))},
	}
	for _, command := range commands {
		words := strings.Fields(command.line)
		if err := run(command.target, words[0], words[1:]...); err != nil {
			return fmt.Errorf("join the node's network: %w", err)
		}
	}
	return nil
}

// startKubelet starts the kubelet and waits until the node is ready.
func (c *Cluster) startKubelet() error {
	var err error
	c.node.kubelet, err = c.start("kubelet", "--config", c.env.path("kubelet.yaml"), "--kubeconfig", c.env.path("kubelet.kubeconfig"),
		"--root-dir", c.env.path("kubelet"), "--cert-dir", c.env.path("kubelet-pki"), "--hostname-override", NodeName,
		"--node-ip", c.node.address(nodeAddress).String())
	if err != nil {
		return err
	}
	return c.await("the kubelet", c.node.kubelet, func(ctx context.Context) error {
		return c.nodeReady(ctx)
	})
}

func (c *Cluster) nodeReady(ctx context.Context) error {
	return bound(ctx, func(ctx context.Context) error {
		n, err := c.client.CoreV1().Nodes().Get(ctx, NodeName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range n.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("the node is not ready: %v", n.Status.Conditions)
	})
}

// StopNode ends the kubelet as a crash would: the containers live on, and the node is NotReady some seconds later.
func (c *Cluster) StopNode(t testing.TB) {
	t.Helper()
	if err := c.node.kubelet.end(syscall.SIGKILL, endWithin); err != nil {
		t.Fatalf("testenv: %v", err)
	}
}

// AwaitNode waits until the node is ready, or not.
func (c *Cluster) AwaitNode(t testing.TB, ready bool) {
	t.Helper()
	testenv.Eventually(t, time.Minute, fmt.Sprintf("the node's readiness is %t", ready), func() bool {
		return (c.nodeReady(t.Context()) == nil) == ready
	})
}

// StartNode starts the kubelet again, and waits until the node is ready. It does nothing if it runs.
func (c *Cluster) StartNode(t testing.TB) {
	t.Helper()
	if c.node.kubelet.running() {
		return
	}
	if err := c.startKubelet(); err != nil {
		t.Fatalf("testenv: start the kubelet again: %v", err)
	}
}

// KubeletURL is where the kubelet answers, for /metrics/resource and /metrics/cadvisor.
func (c *Cluster) KubeletURL() string {
	return "https://" + netip.AddrPortFrom(c.node.address(nodeAddress), kubeletPort).String()
}
