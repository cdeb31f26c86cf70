package systemd_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	godbus "github.com/godbus/dbus/v5"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/systemd"
	"github.com/engramd/engramd/policy"
)

// TestRefused lists what is not changed, and what a person reads then.
func TestRefused(t *testing.T) {
	cpu := policy.Size{policy.CPU: policy.Amount(1500)}
	memory := func(n int64) policy.Size { return policy.Size{policy.Memory: policy.Amount(n)} }
	tests := []struct {
		name string
		set  func(m *model, u *modelUnit)
		edit func(*policy.Target)
		to   policy.Size
		says string
		is   error
	}{
		{"missing", func(m *model, u *modelUnit) { delete(m.units, worker) }, nil, cpu, "there is no unit worker.service", actuators.ErrNotFound},
		{"masked", func(m *model, u *modelUnit) { u.load, u.active = "masked", "inactive" }, nil, cpu, "systemctl unmask worker.service", actuators.ErrRefused},
		{"broken", func(m *model, u *modelUnit) { u.load = "bad-setting" }, nil, cpu, "systemctl status worker.service", actuators.ErrRefused},
		{"inactive", func(m *model, u *modelUnit) { u.active, u.sub = "inactive", "dead" }, nil, cpu, "systemctl start worker.service", actuators.ErrRefused},
		{"failed", func(m *model, u *modelUnit) { u.active, u.sub = "failed", "failed" }, nil, cpu, "find out why", actuators.ErrRefused},
		{"RemainAfterExit", func(m *model, u *modelUnit) { u.sub = "exited" }, nil, cpu, "RemainAfterExit", actuators.ErrRefused},
		{"no control group", func(m *model, u *modelUnit) { u.more = map[string]any{"ControlGroup": ""} }, nil, cpu, "no control group", actuators.ErrRefused},
		{"below kubepods", func(m *model, u *modelUnit) { u.more = map[string]any{"ControlGroup": "/kubepods.slice/x"} }, nil, cpu, "belongs to Kubernetes", actuators.ErrRefused},
		{"more than the host", nil, nil, policy.Size{policy.CPU: policy.Amount(5000)}, "the host has 4", actuators.ErrRefused},
		{"less than systemd can", nil, nil, policy.Size{policy.CPU: policy.Amount(5)}, "smallest limit is 0.01", actuators.ErrRefused},
		{"more than the slice", func(m *model, u *modelUnit) {
			m.write("sys/fs/cgroup/system.slice/cpu.max", "100000 100000\n")
		}, nil, cpu, "the slice above it allows only 1 core", actuators.ErrRefused},
		{"more memory than the slice", func(m *model, u *modelUnit) {
			m.write("sys/fs/cgroup/system.slice/memory.max", "104857600\n")
		}, nil, memory(200 * mib), "the slice above it allows only 100Mi", actuators.ErrRefused},
		{"hardly any memory", nil, nil, memory(1 * mib), "smallest limit is 4Mi", actuators.ErrRefused},
		{"processors that are not there", nil, nil, policy.Size{policy.CPUs: policy.Set("2-5")}, "has only 0-3: not 4-5", actuators.ErrRefused},
		{"processors outside of the slice", func(m *model, u *modelUnit) {
			m.write("sys/fs/cgroup/system.slice/cpuset.cpus.effective", "0-1\n")
		}, nil, policy.Size{policy.CPUs: policy.Set("1-2")}, "has only 0-1: not 2", actuators.ErrRefused},
		{"no processors", nil, nil, policy.Size{policy.CPUs: policy.Set("")}, "no processor at all", actuators.ErrRefused},
		{"no cpuset controller", func(m *model, u *modelUnit) {
			m.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
		}, nil, policy.Size{policy.CPUs: policy.Set("0")}, "no cpuset controller", actuators.ErrRefused},
		{"replicas", nil, nil, policy.Size{policy.Replicas: policy.Amount(2)}, "systemd cannot change replicas", actuators.ErrRefused},
		{"a file that sorts after ours", func(m *model, u *modelUnit) {
			m.write(admin+"zzz.conf", "[Service]\nCPUQuota=10%\n")
			m.reloadAll()
		}, nil, cpu, "zzz.conf sets CPUQuota and is read after zz-engramd.conf", actuators.ErrRefused},
		{"restart of something transient", func(m *model, u *modelUnit) { u.transient = true }, byRestart(policy.CPU), cpu, "it is transient", actuators.ErrRefused},
		{"restart of what must not", func(m *model, u *modelUnit) { u.more = map[string]any{"CanStop": false} }, byRestart(policy.CPU), cpu, "RefuseManualStart", actuators.ErrRefused},
		{"restart of itself", func(m *model, u *modelUnit) {
			u.more = map[string]any{"ControlGroup": "/system.slice/engramd.service"}
		}, byRestart(policy.CPU), cpu, "engramd itself runs in it", actuators.ErrRefused},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newModel(t)
			u := m.add(worker, "[Service]\nCPUQuota=50%\n", nil)
			if test.set != nil {
				test.set(m, u)
			}
			target := m.target(worker)
			if test.edit != nil {
				test.edit(&target)
			}
			d := m.driver()
			st, err := d.Observe(t.Context(), target)
			if err == nil {
				_, err = d.Plan(target, st, test.to)
			}
			if !errors.Is(err, test.is) || !strings.Contains(fmt.Sprint(err), test.says) {
				t.Errorf("got %v, want %v with %q", err, test.is, test.says)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		unit, want, says string
	}{
		{unit: "worker", want: "worker.service"},
		{unit: "worker.service", want: "worker.service"},
		{unit: "db@main.service", want: "db@main.service"},
		{unit: `dev-disk\x2dby.slice`, want: `dev-disk\x2dby.slice`},
		{unit: "run-u12.scope", want: "run-u12.scope"},
		{unit: "", says: "unit is missing"},
		{unit: "worker.timer", says: "want the name of a service"},
		{unit: "../etc/passwd.service", says: "want the name of a service"},
		{unit: "a b.service", says: "want the name of a service"},
		{unit: "db@.service", says: "is a template: name an instance of it, as in db@1.service"},
		{unit: "-.slice", says: "is the host itself"},
		{unit: "init.scope", says: "is the host itself"},
		{unit: "docker-" + strings.Repeat("0a", 32) + ".scope", says: "belongs to Docker"},
		{unit: "libpod-" + strings.Repeat("0a", 32) + ".scope", says: "belongs to Podman"},
		{unit: "kubepods-burstable.slice", says: "belongs to Kubernetes"},
		{unit: "cri-containerd-1.scope", says: "belongs to a container engine"},
		{unit: strings.Repeat("x", 250) + ".service", says: "want the name of a service"},
	}
	for _, test := range tests {
		spec := systemd.Spec{Unit: test.unit}
		err := systemd.Check(&spec)
		if test.says == "" && (err != nil || spec.Unit != test.want) || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%q: %q, %v; want %q %q", test.unit, spec.Unit, err, test.want, test.says)
		}
	}
	if err := systemd.Check(systemd.Spec{}); err == nil {
		t.Error("a spec of another type: no error")
	}
}

func TestFault(t *testing.T) {
	answered := func(name string) error {
		return godbus.Error{Name: "org.freedesktop." + name, Body: []any{"it says so"}}
	}
	tests := []struct {
		err  error
		want error // nil: none of the contract's
	}{
		{answered("systemd1.NoSuchUnit"), actuators.ErrNotFound},
		{answered("systemd1.UnitMasked"), actuators.ErrRefused},
		{answered("DBus.Error.AccessDenied"), actuators.ErrRefused},
		{answered("DBus.Error.InteractiveAuthorizationRequired"), actuators.ErrRefused},
		{answered("DBus.Error.InvalidArgs"), actuators.ErrRefused},
		{answered("DBus.Error.NoReply"), actuators.ErrTransient},
		{answered("DBus.Error.ServiceUnknown"), actuators.ErrTransient},
		{answered("DBus.Error.Failed"), nil},
		{godbus.ErrClosed, actuators.ErrTransient},
		{&fs.PathError{Op: "dial", Path: "bus", Err: fs.ErrNotExist}, actuators.ErrTransient},
		{&fs.PathError{Op: "dial", Path: "bus", Err: fs.ErrPermission}, nil},
		{context.DeadlineExceeded, actuators.ErrTransient},
		{context.Canceled, nil},
	}
	for _, test := range tests {
		got := systemd.Fault("set properties of worker.service", test.err)
		for _, kind := range []error{actuators.ErrTransient, actuators.ErrRefused, actuators.ErrNotFound} {
			if errors.Is(got, kind) != (kind == test.want) {
				t.Errorf("%v became %v, want %v", test.err, got, test.want)
			}
		}
		if !strings.Contains(got.Error(), "set properties of worker.service") || !strings.Contains(got.Error(), test.err.Error()) {
			t.Errorf("%v became %v", test.err, got)
		}
	}
}
