package systemd_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/systemd"
	"github.com/engramd/engramd/policy"
)

// TestPrecedence lists where other files set something, and which way a change takes.
func TestPrecedence(t *testing.T) {
	const cpu = "[Service]\nCPUQuota=50%\n"
	tests := []struct {
		name string
		file string // below the root, that is there and not loaded yet
		text string
		want string
	}{
		{"none", "", "", "property"},
		{"not loaded yet", admin + "override.conf", cpu, "drop-in"},
		{"sorts before", admin + "40-x.conf", cpu, "property"},
		{"sorts after by case", admin + "50-cPUQuota.conf", cpu, "drop-in"},
		{"of all services", "etc/systemd/system/service.d/override.conf", cpu, "drop-in"},
		{"of all that begin so", "etc/systemd/system/worker-.service.d/override.conf", cpu, "property"},
		{"of a package", "lib/systemd/system/worker.service.d/override.conf", cpu, "drop-in"},
		{"of something else", admin + "override.conf", "[Service]\nMemoryMax=1G\n", "property"},
		{"in a comment", admin + "override.conf", "[Service]\n#CPUQuota=50%\n", "property"},
		{"no drop-in", admin + "override.conf.bak", cpu, "property"},
		{"the same name", admin + "50-CPUQuota.conf", "[Service]\nMemoryMax=1G\n", "drop-in"},
		{"after ours", admin + "zzz.conf", cpu, "refused"},
		{"ours elsewhere", admin + "zz-engramd.conf", cpu, "refused"},
		{"ours elsewhere, of something else", admin + "zz-engramd.conf", "[Service]\nMemoryMax=1G\n", "property"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newModel(t)
			m.add(worker, "[Service]\n", nil)
			if test.file != "" {
				m.write(test.file, test.text)
			}
			if got := wayOf(t, m, policy.CPU, policy.Amount(1500)); got != test.want {
				t.Errorf("the way is %s, want %s", got, test.want)
			}
		})
	}
}

func wayOf(t *testing.T, m *model, r policy.Resource, to policy.Quantity) string {
	t.Helper()
	d, target := m.driver(), m.target(worker)
	st, err := d.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Plan(target, st, policy.Size{r: to})
	if err != nil {
		return "refused"
	}
	var c struct{ Settings []struct{ Way string } }
	if err := json.Unmarshal(p.Steps[0].Args, &c); err != nil {
		t.Fatal(err)
	}
	return c.Settings[0].Way
}

// TestLoadedFromElsewhere counts a drop-in that systemd has loaded from a directory that it does not
// list.
func TestLoadedFromElsewhere(t *testing.T) {
	m := newModel(t)
	u := m.add(worker, "[Service]\n", nil)
	m.write("srv/worker.service.d/override.conf", "[Service]\nCPUQuota=50%\n")
	u.dropIns = append(u.dropIns, "/srv/worker.service.d/override.conf")
	if got := wayOf(t, m, policy.CPU, policy.Amount(1500)); got != "drop-in" {
		t.Errorf("the way is %s", got)
	}
}

// TestParentsLimit wants a unit without a limit of its own to have none, whatever its slice has: there
// would be no way back to none otherwise.
func TestParentsLimit(t *testing.T) {
	m := newModel(t)
	m.add(worker, "[Service]\n", nil)
	m.write("sys/fs/cgroup/system.slice/cpu.max", "200000 100000\n")
	m.write("sys/fs/cgroup/system.slice/memory.max", "1073741824\n")
	st, err := m.driver().Observe(t.Context(), m.target(worker))
	if err != nil {
		t.Fatal(err)
	}
	want := policy.Size{policy.CPU: policy.Unlimited(), policy.Memory: policy.Unlimited(), policy.CPUs: policy.Unlimited()}
	exact := cmp.Comparer(func(a, b policy.Quantity) bool { return a == b })
	if diff := cmp.Diff(want, st.Parts[0].Effective, exact); diff != "" {
		t.Errorf("effective (-want +got):\n%s", diff)
	}
}

// TestToldLimits takes systemd's word for the parents' limits where the control group cannot be seen.
func TestToldLimits(t *testing.T) {
	m := newModel(t)
	u := m.add(worker, "[Service]\nMemoryMax=1G\n", nil)
	u.more = map[string]any{"ControlGroup": "/hidden/worker.service", "EffectiveMemoryMax": uint64(512 * mib), "EffectiveCPUs": []byte{0b11}}
	d, target := m.driver(), m.target(worker)
	st, err := d.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if got := st.Parts[0].Effective[policy.Memory]; got != policy.Amount(512*mib) {
		t.Errorf("effective memory: %s", got)
	}
	for r, to := range map[policy.Resource]policy.Quantity{policy.Memory: policy.Amount(768 * mib), policy.CPUs: policy.Set("1-2")} {
		if _, err := d.Plan(target, st, policy.Size{r: to}); !errors.Is(err, actuators.ErrRefused) {
			t.Errorf("%s of %s: %v", to, r, err)
		}
	}
}

// TestRestartOnce wants a restart that is done again to leave the unit alone.
func TestRestartOnce(t *testing.T) {
	g := scenario{fragment: "CPUQuota=50%", resource: policy.CPU, to: policy.Amount(1500), edit: byRestart(policy.CPU)}.set(t)
	for range 2 {
		if err := g.do(t); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(strings.Join(g.calls, "\n"), "restart"); n != 1 {
		t.Errorf("%d restarts: %v", n, g.calls)
	}
}

// TestCommand is what a person would type.
func TestCommand(t *testing.T) {
	tests := map[string]string{
		"persistent":                      "systemctl set-property worker.service CPUQuota=150.00%",
		"override.conf":                   "mkdir -p /run/systemd/system/worker.service.d && printf '%s\\n' '[Service]' CPUQuota=150.00% >> /run/systemd/system/worker.service.d/zz-engramd.conf\nsystemctl daemon-reload",
		"memory grows with its high mark": "systemctl set-property --runtime worker.service MemoryMax=268435456 MemoryHigh=201326592",
		"by restart":                      "systemctl set-property --runtime worker.service CPUQuota=150.00%\nsystemctl restart worker.service",
	}
	for _, s := range scenarios() {
		if want, ok := tests[s.name]; ok {
			if got := s.set(t).plan.Command; got != want {
				t.Errorf("%s:\n%s\nwant:\n%s", s.name, got, want)
			}
		}
	}
}

// TestCommandThatSetsFree takes a limit out of the driver's own drop-in.
func TestCommandThatSetsFree(t *testing.T) {
	const own = "/run/systemd/system/worker.service.d/" + systemd.OwnDropIn
	s := scenario{dropIns: map[string]string{own[1:]: "[Service]\nCPUQuota=50%\n"}, resource: policy.CPU, to: policy.Unlimited()}
	if got, want := s.set(t).plan.Command, "sed -i '/^CPUQuota=/d' "+own+"\nsystemctl daemon-reload"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestCommandInAShell has the name of a unit that a shell would change, and a directory that is not there yet.
func TestCommandInAShell(t *testing.T) {
	const name = `a\x2db.service`
	m := newModel(t)
	m.add(name, "[Service]\n", map[string]string{"etc/systemd/system/" + name + ".d/override.conf": "[Service]\nCPUQuota=50%\n"})
	d, target := m.driver(), m.target(name)
	st, err := d.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := d.Plan(target, st, policy.Size{policy.CPU: policy.Amount(1500)})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	made, _, _ := strings.Cut(plan.Command, "\n") // what follows needs systemd
	out, err := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(made, "/run/systemd", dir)).CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v: %s", made, err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "system", name+".d", systemd.OwnDropIn))
	if err != nil || systemd.Assignments(string(text))["CPUQuota"] != "150.00%" {
		t.Errorf("%s\nmade %q, %v", made, text, err)
	}
}
