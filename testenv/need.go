package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// A system is what one kind of real-system test needs on the machine.
type system struct {
	commands []string
	packages []string // Debian's, which bring the commands
	root     bool
	asked    string // the kind that ENGRAMD_E2E names for it; "" is its own
	inside   string // where such a test has to run: ENGRAMD_E2E_INSIDE says where this is
}

func systems() map[string]system {
	return map[string]system{
		"docker": {
			commands: []string{"dockerd", "containerd", "containerd-shim-runc-v2", "runc", "docker-proxy", "iptables"},
			packages: []string{"docker.io", "iptables"},
			root:     true,
		},
		// The rest of a node is built from Go modules.
		"kubernetes": {
			commands: []string{"runc", "ip", "sysctl", "iptables", "/usr/lib/cni/bridge", "/usr/lib/cni/host-local", "/usr/lib/cni/loopback"},
			packages: []string{"runc", "iproute2", "procps", "iptables", "containernetworking-plugins"},
			root:     true,
		},
		// What the guide's commands for a memory node are made of.
		"node": {
			commands: []string{"bash", "curl", "jq", "promtool"},
			packages: []string{"bash", "curl", "jq", "prometheus"},
		},
		// A test on a host of its own: systemd as PID 1, cgroup v2, two NUMA nodes (testenv/host takes it there).
		"host": {root: true, inside: "host"},
		// What that host is made of.
		"machine": {
			commands: []string{"qemu-system-x86_64", "debootstrap", "unshare", "mkfs.ext4"},
			packages: []string{"qemu-system-x86", "debootstrap", "util-linux", "e2fsprogs"},
			root:     true,
			asked:    "host",
		},
	}
}

// Need begins a test against a real system. It skips the test unless ENGRAMD_E2E names the kind (or all); then it installs
// what is missing, and fails the test if it cannot.
func Need(t testing.TB, kind string) {
	t.Helper()
	want, ok := systems()[kind]
	if !ok {
		t.Fatalf("testenv: no real system is called %q", kind)
	}
	if want.asked != "" {
		kind = want.asked
	}
	if !asked(os.Getenv("ENGRAMD_E2E"), kind) {
		t.Skipf("needs a real system: set ENGRAMD_E2E=%s to run it (make e2e-%[1]s)", kind)
	}
	if want.inside != os.Getenv("ENGRAMD_E2E_INSIDE") && want.inside != "" {
		t.Skipf("runs inside a machine of its own, and make e2e-%s takes it there", kind)
	}
	if runtime.GOOS != "linux" {
		t.Fatalf("testenv: %s tests run on Linux only, this is %s", kind, runtime.GOOS)
	}
	if want.root && os.Geteuid() != 0 {
		t.Fatalf("testenv: %s tests need root: run them with sudo, or unset ENGRAMD_E2E", kind)
	}
	if err := ensure(want.commands, want.packages); err != nil {
		t.Fatalf("testenv: %s: %v", kind, err)
	}
}

// asked tells whether a list such as "docker,systemd" or "all" contains a kind.
func asked(list, kind string) bool {
	kinds := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	return slices.Contains(kinds, kind) || slices.Contains(kinds, "all")
}

// Tool returns the path of a command that a real-system test drives, such as promtool; it installs the given Debian
// package if it is missing. Call it after Need.
func Tool(t testing.TB, command, debianPackage string) string {
	t.Helper()
	if err := ensure([]string{command}, []string{debianPackage}); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	path, err := exec.LookPath(command)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return path
}

// ensure installs the packages if a command is missing, and fails if one is still missing then.
func ensure(commands, packages []string) error {
	missing := absent(commands)
	if len(missing) == 0 {
		return nil
	}
	if err := install(packages); err != nil {
		return fmt.Errorf("%s missing: %w", strings.Join(missing, ", "), err)
	}
	if missing := absent(commands); len(missing) > 0 {
		return fmt.Errorf("still missing after installing %s: %s", strings.Join(packages, " "), strings.Join(missing, ", "))
	}
	return nil
}

// absent lists the commands that are not in the path.
func absent(commands []string) []string {
	return slices.DeleteFunc(slices.Clone(commands), func(command string) bool {
		_, err := exec.LookPath(command)
		return err == nil
	})
}
