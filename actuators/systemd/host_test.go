package systemd_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/systemd"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
)

// A host is a driver beside a real systemd.
type host struct {
	driver *systemd.Driver
	spec   systemd.Spec
}

func newHost(t *testing.T) host {
	t.Helper()
	testenv.Need(t, "host")
	driver := systemd.New(nil)
	t.Cleanup(func() { driver.Close() })
	return host{driver: driver}
}

// systemctl runs the command, which is not what the driver does.
func systemctl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("systemctl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemctl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// show is one property of a unit, as systemctl says it.
func show(t testing.TB, unit, property string) string {
	t.Helper()
	return systemctl(t, "show", "--property="+property, "--value", unit)
}

// places are where unit files and drop-ins of a unit may be.
var unitDirs = []string{
	"/etc/systemd/system", "/run/systemd/system", "/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient",
}

// files are the unit files and drop-ins of a unit, with their text; directories end in a slash.
func filesOf(t testing.TB, unit string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, dir := range unitDirs {
		for _, path := range []string{filepath.Join(dir, unit), filepath.Join(dir, unit+".d")} {
			info, err := os.Stat(path)
			if err != nil {
				continue
			}
			if !info.IsDir() {
				found[path] = read(t, path)
				continue
			}
			found[path+"/"] = ""
			entries, err := os.ReadDir(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				found[filepath.Join(path, e.Name())] = read(t, filepath.Join(path, e.Name()))
			}
		}
	}
	for _, dir := range []string{"/etc/systemd/system.control", "/run/systemd/system.control"} {
		if _, err := os.Stat(dir); err == nil {
			found[dir+"/"] = ""
		}
	}
	return found
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(b))
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// start makes a unit with the lines of its [Service] section and starts it. A drop-in is an
// administrator's, by its name.
func (h host) start(t testing.TB, unit string, lines []string, dropIns map[string]string) {
	t.Helper()
	t.Cleanup(func() { wipe(t, unit) })
	write(t, filepath.Join("/run/systemd/system", unit), "[Service]\n"+strings.Join(lines, "\n")+"\n")
	for name, text := range dropIns {
		write(t, filepath.Join("/etc/systemd/system", unit+".d", name), text)
	}
	systemctl(t, "daemon-reload")
	systemctl(t, "start", unit)
}

func wipe(t testing.TB, unit string) {
	exec.Command("systemctl", "kill", "--signal=KILL", unit).Run()
	exec.Command("systemctl", "stop", unit).Run()
	for _, dir := range unitDirs {
		os.Remove(filepath.Join(dir, unit))
		os.RemoveAll(filepath.Join(dir, unit+".d"))
	}
	os.Remove("/etc/systemd/system.control")
	os.Remove("/run/systemd/system.control")
	exec.Command("systemctl", "daemon-reload").Run()
	exec.Command("systemctl", "reset-failed", unit).Run()
}

// sleeper are the lines of a service that does nothing.
func sleeper(more ...string) []string {
	return append([]string{"ExecStart=/bin/sleep infinity"}, more...)
}

// limits are sizes as lines of a unit file.
func limits(sizes policy.Size) []string {
	var lines []string
	if n, ok := sizes[policy.CPU].Amount(); ok {
		lines = append(lines, fmt.Sprintf("CPUQuota=%d.%d%%", n/10, n%10))
	}
	if n, ok := sizes[policy.Memory].Amount(); ok {
		lines = append(lines, "MemoryMax="+strconv.FormatInt(n, 10))
	}
	if set, ok := sizes[policy.CPUs].Set(); ok {
		lines = append(lines, "AllowedCPUs="+set)
	}
	return lines
}

// cgroupFile is a file of the unit's control group.
func cgroupFile(t testing.TB, unit, name string) string {
	t.Helper()
	return read(t, filepath.Join("/sys/fs/cgroup", show(t, unit, "ControlGroup"), name))
}

func (h host) target(unit string, edits ...func(*policy.Target)) policy.Target {
	spec := h.spec
	spec.Unit = unit
	t := policy.Target{Name: strings.TrimSuffix(unit, ".service"), Specs: map[string]any{"systemd": &spec}, StopTimeout: 5 * time.Second}
	for _, edit := range edits {
		edit(&t)
	}
	return t
}

func persistent(t *policy.Target) { t.Specs["systemd"].(*systemd.Spec).Persistent = true }

func byRestart(r policy.Resource) func(*policy.Target) {
	return func(t *policy.Target) { t.Apply = map[policy.Resource]policy.Apply{r: policy.ApplyRestart} }
}

func (h host) observe(t testing.TB, target policy.Target) actuators.Part {
	t.Helper()
	st, err := h.driver.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return st.Parts[0]
}

func (h host) plan(t testing.TB, target policy.Target, r policy.Resource, to policy.Quantity) actuators.Plan {
	t.Helper()
	st, err := h.driver.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.driver.Plan(target, st, policy.Size{r: to})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (h host) do(t testing.TB, target policy.Target, p actuators.Plan) {
	t.Helper()
	for _, s := range p.Steps {
		if err := h.driver.Do(t.Context(), target, s); err != nil {
			t.Fatalf("%s: %v", s.Text, err)
		}
	}
}

func (h host) undo(t testing.TB, target policy.Target, p actuators.Plan) {
	t.Helper()
	for _, s := range slices.Backward(p.Steps) {
		if err := h.driver.Undo(t.Context(), target, s); err != nil {
			t.Fatalf("undo %s: %v", s.Text, err)
		}
	}
}

// becomes waits until a file of the unit's control group says what it should.
func becomes(t testing.TB, unit, name, want string) {
	t.Helper()
	var got string
	testenv.Eventually(t, 10*time.Second, name+" of "+unit+" is "+want, func() bool {
		got = cgroupFile(t, unit, name)
		return got == want
	})
}
