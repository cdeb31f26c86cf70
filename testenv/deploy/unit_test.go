package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/deploy"
	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
)

// onHost is the agent.yaml of the unit's test: one service and one container that are to get more CPU.
const onHost = `
version: 1
data_dir: /var/lib/engramd
mode: auto
listen: {agent: "127.0.0.1:19090"}
metrics: {interval: 2s}
targets:
  - {name: busy, systemd: {unit: engramd-test-busy.service, persistent: true}, limits: {cpu: {max: 500m}}}
  - {name: web, docker: {container: web}, limits: {cpu: {max: 500m}}}
policies:
  - name: cpu
    targets: [busy, web]
    every: 2s
    matrix:
      signals: {limit: max by (target) (engramd_target_cpu_limit_cores)}
      rows:
        - {when: {limit: "< 0.4"}, for: 2s, do: scale, change: {cpu: {to: 500m}}}
        - {when: {limit: ">= 0.4"}, do: none}
`

const (
	exposureBound = 4.0
	busyUnit      = "[Service]\nExecStart=/usr/local/bin/engramd-test-workload\nEnvironment=WORKLOAD_LISTEN=127.0.0.1:19091\nCPUQuota=20%\n"
	// The test's daemon has its socket in /tmp, which the unit does not see.
	socketDropIn = "[Service]\nBindPaths=%s:/run/docker.sock\n"
)

// systemctl runs a command of systemd's and returns what it prints.
func systemctl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// property reads one property of the agent's unit.
func property(t *testing.T, name string) string {
	t.Helper()
	return systemctl(t, "systemctl", "show", "engramd", "--property", name, "--value")
}

// place writes files, and removes them after the test.
func place(t *testing.T, mode os.FileMode, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(name) })
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// installUnit installs the unit as its first lines say, with a service beside it.
func installUnit(t *testing.T, socket string) {
	t.Helper()
	unit, err := deploy.Files.ReadFile("systemd/engramd.service")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("systemctl", "stop", "engramd", "engramd-test-busy").Run()
		log, _ := exec.Command("journalctl", "-u", "engramd", "--no-pager").CombinedOutput()
		os.WriteFile(filepath.Join(testenv.Artifacts(t), "journal.log"), log, 0o644)
		os.RemoveAll("/etc/systemd/system.control/engramd-test-busy.service.d")
		os.RemoveAll("/etc/systemd/system/engramd-test-busy.service.d")
		os.RemoveAll("/etc/systemd/system/engramd.service.d")
		os.RemoveAll("/var/lib/engramd")
	})
	place(t, 0o755, map[string]string{
		"/usr/local/bin/engramd": read(t, testenv.Build(t, "cmd/engramd")), "/usr/local/bin/engramd-test-workload": read(t, testenv.Build(t, "testenv/workload")),
	})
	place(t, 0o644, map[string]string{
		"/etc/systemd/system/engramd.service":             string(unit),
		"/etc/systemd/system/engramd.service.d/test.conf": fmt.Sprintf(socketDropIn, socket),
		"/etc/systemd/system/engramd-test-busy.service":   busyUnit,
		"/etc/engramd/agent.yaml":                         onHost,
	})
	systemctl(t, "systemctl", "daemon-reload")
	systemctl(t, "systemctl", "start", "engramd-test-busy")
}

// TestE2EUnit runs the agent as the unit runs it: hardened, and still able to do what it is for.
func TestE2EUnit(t *testing.T) {
	testenv.Need(t, "host")
	d := docker.Start(t)
	d.BuildImage(t, "workload:good", docker.Good())
	web := d.Run(t, docker.Spec{Name: "web", Image: "workload:good", CPUs: 0.2})
	installUnit(t, strings.TrimPrefix(d.Host(), "unix://"))

	began := time.Now()
	systemctl(t, "systemctl", "start", "engramd") // returns once it has said that it is ready
	t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
	if out := systemctl(t, "systemd-analyze", "verify", "/etc/systemd/system/engramd.service"); out != "" {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	t.Run("exposure", exposure)

	agent, err := api.NewClient(api.ClientConfig{Addr: "127.0.0.1:19090"})
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	testenv.Eventually(t, 2*time.Minute, "the service has half a core", func() bool {
		return strings.HasPrefix(read(t, "/sys/fs/cgroup/system.slice/engramd-test-busy.service/cpu.max"), "50000 100000")
	})
	testenv.Eventually(t, 2*time.Minute, "the container has half a core", func() bool { return testenv.CPULimit(t, web.ID) == 0.5 })
	testenv.Eventually(t, time.Minute, "it sees what runs in both", func() bool {
		s, err := agent.Status(t.Context())
		return err == nil && len(s.Targets) == 2 && strings.HasPrefix(s.Targets[0].Runtime, "go1.") && strings.HasPrefix(s.Targets[1].Runtime, "go1.")
	})

	pid := property(t, "MainPID")
	systemctl(t, "kill", "-KILL", pid)
	testenv.Eventually(t, 2*time.Minute, "it was started again", func() bool {
		return property(t, "NRestarts") == "1" && property(t, "ActiveState") == "active" && property(t, "MainPID") != pid
	})
	if got := read(t, "/sys/fs/cgroup/system.slice/engramd-test-busy.service/cpu.max"); !strings.HasPrefix(got, "50000 ") {
		t.Errorf("after the agent was killed the service has %s", got)
	}
	systemctl(t, "systemctl", "reload", "engramd")
	testenv.Eventually(t, time.Minute, "the reload was taken", func() bool {
		s, err := agent.Status(t.Context())
		return err == nil && s.Config.Refused == "" && s.Config.LoadedAt.After(s.StartedAt)
	})
	began = time.Now()
	systemctl(t, "systemctl", "stop", "engramd")
	if result, status := property(t, "Result"), property(t, "ExecMainStatus"); result != "success" || status != "0" {
		t.Errorf("it stopped with %s, status %s", result, status)
	}
	t.Logf("stopped after %v", time.Since(began).Round(time.Millisecond))
}

// exposure holds what systemd-analyze says of the unit below the bound.
func exposure(t *testing.T) {
	out := systemctl(t, "systemd-analyze", "security", "engramd.service", "--no-pager")
	found := regexp.MustCompile(`Overall exposure level for engramd\.service: ([0-9.]+)`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("systemd-analyze security says no level:\n%s", out)
	}
	level, err := strconv.ParseFloat(found[1], 64)
	if err != nil || level >= exposureBound {
		t.Errorf("the exposure is %s, want below %v:\n%s", found[1], exposureBound, out)
	}
	t.Logf("exposure %s", found[1])
}
