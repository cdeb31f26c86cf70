package systemd_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/systemd"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
)

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// TestE2ERestartFails wants the reason from the unit's journal, and the old size and a running unit
// after undo.
func TestE2ERestartFails(t *testing.T) {
	h := newHost(t)
	const unit, flag = "bsystemd-restart.service", "/run/bsystemd-broken"
	h.start(t, unit, sleeper("CPUQuota=25%", "ExecStartPre=/bin/sh -c 'test ! -e "+flag+" || { echo the disk is on fire; exit 3; }'"), nil)
	t.Cleanup(func() { os.Remove(flag) })
	target := h.target(unit, byRestart(policy.CPU))
	was, pid := before(t, unit), show(t, unit, "MainPID")
	p := h.plan(t, target, policy.CPU, policy.Amount(1500))
	write(t, flag, "")
	var err error
	for _, s := range p.Steps {
		if err = h.driver.Do(t.Context(), target, s); err != nil {
			break
		}
	}
	for _, want := range []string{"exit-code", "status=3", "the disk is on fire"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
	os.Remove(flag)
	h.undo(t, target, p)
	becomes(t, unit, "cpu.max", "25000 100000")
	if diff := cmp.Diff(was, before(t, unit)); diff != "" {
		t.Errorf("after undo (-was +is):\n%s", diff)
	}
	if now := show(t, unit, "MainPID"); now == pid || now == "0" {
		t.Errorf("MainPID %s, before %s", now, pid)
	}
}

// TestE2EUnusable lists units that cannot be changed.
func TestE2EUnusable(t *testing.T) {
	h := newHost(t)
	const masked, once = "bsystemd-masked.service", "bsystemd-once.service"
	h.start(t, masked, sleeper(), nil)
	systemctl(t, "stop", masked)
	os.Remove("/run/systemd/system/" + masked)
	systemctl(t, "mask", "--runtime", masked)
	t.Cleanup(func() { exec.Command("systemctl", "unmask", "--runtime", masked).Run() })
	h.start(t, once, []string{"Type=oneshot", "RemainAfterExit=yes", "ExecStart=/bin/true"}, nil)
	for unit, want := range map[string]struct {
		is   error
		says string
	}{
		masked:                      {actuators.ErrRefused, "systemctl unmask"},
		once:                        {actuators.ErrRefused, "RemainAfterExit"},
		"bsystemd-nobody.service":   {actuators.ErrNotFound, "there is no unit"},
		"bsystemd-nobody@1.service": {actuators.ErrNotFound, "there is no unit"},
	} {
		target := h.target(unit)
		st, err := h.driver.Observe(t.Context(), target)
		if err == nil {
			_, err = h.driver.Plan(target, st, policy.Size{policy.CPU: policy.Amount(500)})
		}
		if !errors.Is(err, want.is) || !strings.Contains(fmt.Sprint(err), want.says) {
			t.Errorf("%s: %v", unit, err)
		}
	}
}

// TestE2EBusDies kills the D-Bus daemon while a unit restarts. What was under way is finished over the
// next one, and the unit is restarted once.
func TestE2EBusDies(t *testing.T) {
	h := newHost(t)
	const unit = "bsystemd-bus.service"
	h.start(t, unit, sleeper("CPUQuota=25%", "ExecStop=/bin/sleep 8", "ExecStartPost=/bin/sh -c 'echo x >>/run/bsystemd-starts'"), nil)
	t.Cleanup(func() { os.Remove("/run/bsystemd-starts") })
	target := h.target(unit, byRestart(policy.CPU))
	target.StopTimeout = time.Minute
	p := h.plan(t, target, policy.CPU, policy.Amount(1500))
	h.do(t, target, actuators.Plan{Steps: p.Steps[:len(p.Steps)-1]})
	restart := p.Steps[len(p.Steps)-1]
	failed := make(chan error, 1)
	go func() { failed <- h.driver.Do(t.Context(), target, restart) }()
	testenv.Eventually(t, 20*time.Second, "the unit stops", func() bool { return show(t, unit, "ActiveState") == "deactivating" })
	systemctl(t, "stop", "dbus.socket")
	systemctl(t, "kill", "--signal=KILL", "dbus.service")
	testenv.Eventually(t, 20*time.Second, "dbus is dead", func() bool { return show(t, "dbus.service", "MainPID") == "0" })
	if err := <-failed; !errors.Is(err, actuators.ErrTransient) {
		t.Errorf("while the bus died: %v, want ErrTransient", err)
	}
	systemctl(t, "reset-failed", "dbus.service")
	systemctl(t, "start", "dbus.socket", "dbus.service")
	testenv.Eventually(t, time.Minute, "the restart is finished", func() bool {
		err := h.driver.Do(t.Context(), target, restart)
		if err != nil && !errors.Is(err, actuators.ErrTransient) {
			t.Fatal(err)
		}
		return err == nil
	})
	becomes(t, unit, "cpu.max", "150000 100000")
	if got := read(t, "/run/bsystemd-starts"); got != "x\nx" {
		t.Errorf("starts: %q, want two", got)
	}
}

// TestE2EUser changes a unit of a user's own manager.
func TestE2EUser(t *testing.T) {
	h := newHost(t)
	const unit, file = "bsystemd-user.service", "/run/user/0/systemd/user/bsystemd-user.service"
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/0")
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/0/bus")
	systemctl(t, "start", "user@0.service")
	t.Cleanup(func() { exec.Command("systemctl", "stop", "user@0.service", "user-runtime-dir@0.service").Run() })
	write(t, file, "[Service]\nMemoryMax=64M\nExecStart=/bin/sleep infinity\n")
	testenv.Eventually(t, time.Minute, "the user's systemd starts the unit", func() bool {
		return exec.Command("systemctl", "--user", "daemon-reload").Run() == nil && exec.Command("systemctl", "--user", "start", unit).Run() == nil
	})
	group := systemctl(t, "--user", "show", "--property=ControlGroup", "--value", unit)
	limit := func() string { return read(t, "/sys/fs/cgroup"+group+"/memory.max") }
	h.spec = systemd.Spec{User: true}
	target := h.target(unit)
	p := h.plan(t, target, policy.Memory, policy.Amount(128<<20))
	if !strings.HasPrefix(p.Command, "systemctl --user set-property --runtime "+unit+" MemoryMax=134217728") {
		t.Errorf("command: %s", p.Command)
	}
	h.do(t, target, p)
	testenv.Eventually(t, 10*time.Second, "memory.max is 128Mi", func() bool { return limit() == "134217728" })
	h.undo(t, target, p)
	testenv.Eventually(t, 10*time.Second, "memory.max is 64Mi", func() bool { return limit() == "67108864" })
	if _, err := os.Stat("/run/user/0/systemd/user.control"); !os.IsNotExist(err) {
		t.Errorf("user.control is left: %v", err)
	}
	st, err := h.driver.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.driver.Plan(target, st, policy.Size{policy.CPUs: policy.Set("0")}); !errors.Is(err, actuators.ErrRefused) || !strings.Contains(fmt.Sprint(err), "Delegate=") {
		t.Errorf("a controller that is not delegated: %v", err)
	}
}

// TestE2EStubborn restarts a unit that does not end by itself: it is killed after the target's stop
// timeout, not after systemd's own.
func TestE2EStubborn(t *testing.T) {
	h := newHost(t)
	const unit = "bsystemd-stubborn.service"
	h.start(t, unit, []string{"CPUQuota=50%", "TimeoutStopSec=10min", `ExecStart=/bin/sh -c 'trap "" TERM; while :; do sleep 1; done'`}, nil)
	target := h.target(unit, byRestart(policy.CPU))
	target.StopTimeout = 3 * time.Second
	pid := show(t, unit, "MainPID")
	testenv.Eventually(t, 20*time.Second, "the trap is set", func() bool {
		_, mask, _ := strings.Cut(read(t, "/proc/"+pid+"/status"), "SigIgn:\t")
		ignored, err := strconv.ParseUint(mask[:16], 16, 64)
		return err == nil && ignored&(1<<(syscall.SIGTERM-1)) != 0
	})
	h.do(t, target, h.plan(t, target, policy.CPU, policy.Amount(1500)))
	if now := show(t, unit, "MainPID"); now == pid || now == "0" {
		t.Errorf("MainPID %s, before %s", now, pid)
	}
}

// TestE2EScope limits processes that somebody else started.
func TestE2EScope(t *testing.T) {
	h := newHost(t)
	const unit = "bsystemd-some.scope"
	t.Cleanup(func() { wipe(t, unit) })
	scope := exec.Command("systemd-run", "--scope", "--unit="+unit, "/bin/sleep", "infinity")
	if err := scope.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { scope.Process.Kill(); scope.Wait() })
	testenv.Eventually(t, 20*time.Second, "the scope is there", func() bool { return show(t, unit, "ActiveState") == "active" })
	target := h.target(unit)
	was := before(t, unit)
	if p := h.observe(t, target); p.PID == 0 || !p.Running {
		t.Errorf("the scope runs %t as process %d", p.Running, p.PID)
	}
	p := h.plan(t, target, policy.Memory, policy.Amount(128<<20))
	h.do(t, target, p)
	becomes(t, unit, "memory.max", "134217728")
	h.undo(t, target, p)
	becomes(t, unit, "memory.max", "max")
	if diff := cmp.Diff(was, before(t, unit)); diff != "" {
		t.Errorf("after undo (-was +is):\n%s", diff)
	}
}
