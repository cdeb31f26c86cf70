package kubernetes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/engramd/engramd/testenv"
)

// Up starts a whole node that ends with the test.
func Up(t testing.TB) *Cluster {
	t.Helper()
	testenv.Need(t, "kubernetes")
	c, err := Start(testenv.Artifacts(t))
	if err != nil {
		t.Fatalf("testenv: start a node: %v", err)
	}
	t.Cleanup(func() { c.end(t) })
	return c
}

// Start starts a whole node that ends with [Cluster.Stop], or with this process. Its logs go to the given directory.
func Start(logs string) (*Cluster, error) {
	c, err := newCluster(logs)
	if err != nil {
		return nil, err
	}
	if err := c.startAll(); err != nil {
		if left := c.Stop(); len(left) > 0 {
			return nil, fmt.Errorf("%w (and left behind: %v)", err, left)
		}
		return nil, err
	}
	return c, nil
}

func (c *Cluster) startAll() error {
	pid1, err := testenv.Binary("testenv/kubernetes/pid1")
	if err != nil {
		return err
	}
	if err := c.env.makeCgroups(); err != nil {
		return err
	}
	if err := c.startNode(pid1); err != nil {
		return err
	}
	c.etcdPort, c.peerPort, c.apiPort = 2379, 2380, 443 // the node's network is its own
	if err := c.writeSettings(); err != nil {
		return err
	}
	if c.node.containerd, err = c.start("containerd", "--config", c.env.path("containerd.toml"), "--log-level", "info"); err != nil {
		return err
	}
	if err := c.startAPI(); err != nil {
		return err
	}
	if err := c.startControllers(); err != nil {
		return err
	}
	if err := c.loadPause(pid1); err != nil {
		return err
	}
	return c.startKubelet()
}

func (c *Cluster) loadPause(pid1 string) error {
	ready := func(context.Context) error {
		return run(c.target(), filepath.Join(c.programs, "ctr"), "-a", containerdSocket, "version")
	}
	if err := c.await("containerd", c.node.containerd, ready); err != nil {
		return err
	}
	return c.LoadImage(Image{Name: pauseImage, Files: map[string]string{"/pause": pid1}, Command: []string{"/pause", "pause"}})
}

// one is the node that the tests of a package share.
var one struct {
	sync.Mutex
	cluster *Cluster
	err     error
	logs    string
}

// Shared returns the node that all tests of a package share, and starts it for the first. The package's TestMain must call
// [Main], which ends it.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	testenv.Need(t, "kubernetes")
	one.Lock()
	defer one.Unlock()
	if one.logs == "" {
		t.Fatal("testenv: a shared node needs kubernetes.Main in the package's TestMain")
	}
	if one.cluster == nil && one.err == nil {
		one.cluster, one.err = Start(one.logs)
	}
	if one.err != nil {
		t.Fatalf("testenv: start a node: %v", one.err)
	}
	return one.cluster
}

// Main runs the tests of a package whose tests share a node, ends the node, and returns the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(kubernetes.Main(m)) }
func Main(m *testing.M) (code int) {
	logs, keep := sharedLogs()
	if !keep {
		defer os.RemoveAll(logs)
	}
	one.logs = logs
	code = m.Run()
	one.Lock()
	defer one.Unlock()
	if one.cluster == nil {
		return code
	}
	if left := one.cluster.Stop(); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "testenv: left behind:", left)
		return max(code, 1)
	}
	return code
}

// sharedLogs is the directory of a shared node's logs, and whether it stays after the tests.
func sharedLogs() (dir string, keep bool) {
	root := os.Getenv("ENGRAMD_ARTIFACTS")
	if root == "" {
		dir, _ := os.MkdirTemp("", "engramd-logs-") // "" fails at the first log
		return dir, false
	}
	here, _ := os.Getwd() // go test runs in the package's directory
	dir = filepath.Join(root, "kubernetes-"+filepath.Base(here))
	_ = os.MkdirAll(dir, 0o755) // a failure shows at the first log
	return dir, true
}
