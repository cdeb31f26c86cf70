package systemd_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/systemd"
)

func TestFind(t *testing.T) {
	m := newModel(t)
	m.add("worker.service", "[Service]\nCPUQuota=50%\nMemoryMax=1G\n", nil)
	m.add("db@main.service", "[Service]\n", nil)
	m.add("run-u1.service", "[Service]\n", nil).transient = true
	m.add("systemd-journald.service", "[Service]\n", nil)
	m.add("getty@tty1.service", "[Service]\n", nil)
	m.add("docker-"+strings.Repeat("0a", 32)+".scope", "[Scope]\n", nil)
	m.add("user.slice", "[Slice]\n", nil)
	once := m.add("once.service", "[Service]\n", nil)
	once.sub = "exited"
	got, err := systemd.Find(m.driver(), t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []actuators.Found{
		{Name: "db-main", Spec: &systemd.Spec{Unit: "db@main.service", Persistent: true}, Note: "a service, no cpu limit, no memory limit"},
		{Name: "run-u1", Spec: &systemd.Spec{Unit: "run-u1.service"}, Note: "a service, no cpu limit, no memory limit, transient: live changes only"},
		{Name: "worker", Spec: &systemd.Spec{Unit: "worker.service", Persistent: true}, Note: "a service, cpu 500m, memory 1Gi"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	for _, f := range got {
		if err := systemd.Check(f.Spec); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

func TestProbe(t *testing.T) {
	m := newModel(t)
	m.write("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n")
	found := systemd.Probe(m.driver(), t.Context())
	if len(found) < 3 {
		t.Fatalf("findings: %+v", found)
	}
	if f := found[0]; !f.OK || f.Detail != "systemd 252 answers over D-Bus" {
		t.Errorf("reached: %+v", f)
	}
	if f := found[2]; f.OK || !strings.Contains(f.Detail, "not delegated: cpuset") || f.Remedy == "" {
		t.Errorf("controllers: %+v", f)
	}
	m.away = true
	found = systemd.Probe(m.driver(), t.Context())
	if f := found[0]; f.OK || f.Remedy == "" || !strings.Contains(f.Detail, "is D-Bus running?") {
		t.Errorf("without a bus: %+v", found)
	}
}

func TestKey(t *testing.T) {
	m := newModel(t)
	m.add(worker, "[Service]\n", nil)
	d := m.driver()
	key, err := d.Key(t.Context(), m.target(worker))
	if want := "systemd/0123456789abcdef0123456789abcdef/system/worker.service"; err != nil || key != want {
		t.Errorf("got %q, %v, want %q", key, err, want)
	}
}
