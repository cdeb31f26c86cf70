package kubernetes_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/cgroupfs"
	"github.com/engramd/engramd/testenv/kubernetes"
)

// Nothing of a node is left after it was taken down, and after its owner was killed with pods running: the next start on
// the machine takes away what the kernel does not.
func TestE2ENothingIsLeft(t *testing.T) {
	testenv.Need(t, "kubernetes")
	up := testenv.Build(t, "testenv/kubernetes/up")
	for _, test := range []struct {
		name string
		end  func(*exec.Cmd) error
	}{
		{"taken down", func(up *exec.Cmd) error { return up.Process.Signal(syscall.SIGTERM) }},
		{"killed", func(up *exec.Cmd) error { return up.Process.Kill() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			settings, rules := kernelSettings(t), packetRules(t)
			dir := t.TempDir()
			node, root := startUp(t, up, dir)
			name := filepath.Base(root)
			if seen := traces(t, name); len(seen) < 3 {
				t.Fatalf("the test does not see the running node: %v", seen)
			}
			if now := kernelSettings(t); now != settings {
				t.Errorf("the machine's kernel settings while the node runs:\n%s\nwant\n%s", now, settings)
			}
			if err := test.end(node); err != nil {
				t.Fatal(err)
			}
			_ = node.Wait() // killed, or not: what counts is what is left
			if err := kubernetes.Sweep(); err != nil {
				t.Error(err)
			}
			if left := traces(t, name); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if now := packetRules(t); now != rules {
				t.Errorf("packet filters:\n%s\nwant\n%s", now, rules)
			}
		})
	}
}

// startUp runs a node as a process of its own, with a pod in it, and returns the node's directory.
func startUp(t *testing.T, up, dir string) (cmd *exec.Cmd, root string) {
	t.Helper()
	cmd = exec.Command(up, dir)
	cmd.Dir = "../.." // it builds what it needs from the module
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the node did not come up: %q, %v", line, err)
	}
	kubeconfig, err := os.Readlink(filepath.Join(dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	runPod(t, kubeconfig)
	return cmd, filepath.Dir(kubeconfig)
}

// traces lists everything on the machine that has a name, by the node's own: files, mounts, cgroups, interfaces, processes.
func traces(t *testing.T, name string) (seen []string) {
	t.Helper()
	if root := filepath.Join(os.TempDir(), name); exists(root) {
		seen = append(seen, root)
	}
	if device := "/sys/class/net/ek-" + name[strings.LastIndexByte(name, '-')+1:]; exists(device) {
		seen = append(seen, device)
	}
	mounts, err := cgroupfs.Mounts()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mounts {
		if dir := filepath.Join(m.Point, name); exists(dir) {
			seen = append(seen, dir)
		}
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(table), name) {
		seen = append(seen, "mounts")
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range commands {
		if content, err := os.ReadFile(file); err == nil && strings.Contains(string(content), name) {
			seen = append(seen, strings.ReplaceAll(string(content), "\x00", " "))
		}
	}
	return seen
}

// kernelSettings are those that a kubelet changes.
func kernelSettings(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys"} {
		content, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(name + " " + string(content))
	}
	return all.String()
}

// packetRules are those of the test's own network, without counters.
func packetRules(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("iptables-save").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "#") || strings.HasPrefix(line, ":")
	})
	return strings.Join(lines, "\n")
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
