package systemd_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
)

// before is what of a unit an undo has to bring back.
func before(t testing.TB, unit string) map[string]string {
	t.Helper()
	all := filesOf(t, unit)
	for _, p := range []string{"CPUQuotaPerSecUSec", "MemoryHigh", "MemoryMax", "MemorySwapMax", "AllowedCPUs", "AllowedMemoryNodes", "NeedDaemonReload"} {
		all[p] = show(t, unit, p)
	}
	for _, name := range []string{"cpu.max", "memory.max", "memory.high"} {
		all[name] = cgroupFile(t, unit, name)
	}
	return all
}

// added are the files that a change made, and their settings.
func added(t testing.TB, unit string, was map[string]string) map[string]string {
	t.Helper()
	is := filesOf(t, unit)
	maps.DeleteFunc(is, func(name, text string) bool {
		_, had := was[name]
		return had || strings.HasSuffix(name, "/") || strings.HasSuffix(name, "engramd.made")
	})
	for name, text := range is {
		lines := strings.Split(text, "\n")
		is[name] = lines[len(lines)-1]
	}
	return is
}

func TestE2ELiveCPU(t *testing.T) {
	h := newHost(t)
	burn := []string{"ExecStart=/bin/sh -c 'while :; do :; done'"}
	tests := []struct {
		name    string
		lines   []string
		dropIns map[string]string
		edit    func(*policy.Target)
		files   map[string]string
	}{
		{"unset", nil, nil, func(*policy.Target) {}, map[string]string{
			"/run/systemd/system.control/UNIT.d/50-CPUQuota.conf": "CPUQuota=150%"}},
		{"persistent", []string{"CPUQuota=25%"}, nil, persistent, map[string]string{
			"/etc/systemd/system.control/UNIT.d/50-CPUQuota.conf": "CPUQuota=150%"}},
		{"override", nil, map[string]string{"override.conf": "[Service]\nCPUQuota=25%\n"}, func(*policy.Target) {}, map[string]string{
			"/run/systemd/system/UNIT.d/zz-engramd.conf": "CPUQuota=150.00%"}},
		{"override-persistent", nil, map[string]string{"override.conf": "[Service]\nCPUQuota=25%\n"}, persistent, map[string]string{
			"/etc/systemd/system/UNIT.d/zz-engramd.conf": "CPUQuota=150.00%"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			unit := "bsystemd-cpu-" + test.name + ".service"
			h.start(t, unit, append(test.lines, burn...), test.dropIns)
			target := h.target(unit, test.edit)
			was, pid := before(t, unit), show(t, unit, "MainPID")
			p := h.plan(t, target, policy.CPU, policy.Amount(1500))
			h.do(t, target, p)
			becomes(t, unit, "cpu.max", "150000 100000")
			want := map[string]string{}
			for name, line := range test.files {
				want[strings.Replace(name, "UNIT", unit, 1)] = line
			}
			if diff := cmp.Diff(want, added(t, unit, was)); diff != "" {
				t.Errorf("files made (-want +got):\n%s", diff)
			}
			systemctl(t, "daemon-reload")
			if got := h.observe(t, target).Configured[policy.CPU]; got != policy.Amount(1500) {
				t.Errorf("configured after a daemon-reload: %s", got)
			}
			becomes(t, unit, "cpu.max", "150000 100000")
			h.undo(t, target, p)
			becomes(t, unit, "cpu.max", was["cpu.max"])
			systemctl(t, "daemon-reload")
			if diff := cmp.Diff(was, before(t, unit)); diff != "" {
				t.Errorf("after undo and a daemon-reload (-was +is):\n%s", diff)
			}
			if now := show(t, unit, "MainPID"); now != pid {
				t.Errorf("it was restarted: MainPID %s -> %s", pid, now)
			}
		})
	}
}

// TestE2EMemoryShrink wants the page cache of a unit to go before its limit comes down, by way of
// MemoryHigh, and a limit below what it holds to be refused.
func TestE2EMemoryShrink(t *testing.T) {
	h := newHost(t)
	const unit = "bsystemd-cache.service"
	h.start(t, unit, []string{
		"MemoryMax=128M",
		"ExecStart=/bin/sh -c 'dd if=/dev/zero of=/var/tmp/bsystemd bs=1M count=90 conv=fsync; head -c 20000000 /dev/zero | tail -c 20000000 | sleep infinity'",
		"ExecStopPost=/bin/rm -f /var/tmp/bsystemd",
	}, nil)
	target := h.target(unit)
	testenv.Eventually(t, time.Minute, "the unit holds page cache and 20 MB of its own", func() bool {
		return stat(t, unit, "anon") > 15<<20 && number(t, cgroupFile(t, unit, "memory.current")) > 90<<20
	})
	was := before(t, unit)
	p := h.plan(t, target, policy.Memory, policy.Amount(16<<20))
	if err := h.driver.Do(t.Context(), target, p.Steps[0]); !errors.Is(err, actuators.ErrRefused) {
		t.Errorf("a limit below use: %v", err)
	}
	if diff := cmp.Diff(was, before(t, unit)); diff != "" {
		t.Errorf("after a refused shrink (-was +is):\n%s", diff)
	}
	p = h.plan(t, target, policy.Memory, policy.Amount(64<<20))
	high := make(chan string, 1)
	watched, stop := make(chan struct{}), make(chan struct{})
	go watchHigh(t, unit, high, watched, stop)
	<-watched
	h.do(t, target, p)
	close(stop)
	if seen := <-high; seen != "max 67108864, memory.max 134217728" {
		t.Errorf("memory.high went over %s; want the new limit before memory.max had it", seen)
	}
	becomes(t, unit, "memory.max", "67108864")
	becomes(t, unit, "memory.high", "max")
	want := map[string]string{"/run/systemd/system.control/" + unit + ".d/50-MemoryMax.conf": "MemoryMax=67108864"}
	if diff := cmp.Diff(want, added(t, unit, was)); diff != "" {
		t.Errorf("files made (-want +got):\n%s", diff)
	}
	if kills := cgroupFile(t, unit, "memory.events"); !strings.Contains(kills, "oom_kill 0") {
		t.Errorf("memory.events: %s", kills)
	}
	h.undo(t, target, p)
	becomes(t, unit, "memory.max", "134217728")
	if diff := cmp.Diff(was, before(t, unit)); diff != "" {
		t.Errorf("after undo (-was +is):\n%s", diff)
	}
}

// TestE2EMemoryPressure wants a shrink to be called off that would have a unit read its files from the
// disk again and again.
func TestE2EMemoryPressure(t *testing.T) {
	h := newHost(t)
	const unit = "bsystemd-thrash.service"
	h.start(t, unit, []string{
		"MemoryMax=128M", "ExecStopPost=/bin/rm -f /var/tmp/bsystemd",
		"IOReadBandwidthMax=/var/tmp 2M", // the disk is quicker than the emulated processor
		"ExecStart=/bin/sh -c 'dd if=/dev/urandom of=/var/tmp/bsystemd bs=1M count=90 conv=fsync; while :; do cat /var/tmp/bsystemd >/dev/null; done'",
	}, nil)
	target := h.target(unit)
	testenv.Eventually(t, 2*time.Minute, "the unit reads its file from the cache", func() bool {
		return stat(t, unit, "active_file") > 80<<20
	})
	was := before(t, unit)
	p := h.plan(t, target, policy.Memory, policy.Amount(70<<20))
	if err := h.driver.Do(t.Context(), target, p.Steps[0]); !errors.Is(err, actuators.ErrRefused) || !strings.Contains(fmt.Sprint(err), "MemoryHigh was given back") {
		t.Errorf("got %v; pressure: %s", err, cgroupFile(t, unit, "memory.pressure"))
	}
	becomes(t, unit, "memory.high", "max")
	if diff := cmp.Diff(was, before(t, unit)); diff != "" {
		t.Errorf("after a shrink that was called off (-was +is):\n%s", diff)
	}
}

// watchHigh notes the first value of memory.high that is not max, with memory.max beside it.
func watchHigh(t *testing.T, unit string, seen chan<- string, watched, stop chan struct{}) {
	dir := "/sys/fs/cgroup" + show(t, unit, "ControlGroup") + "/"
	close(watched)
	last := "max"
	for {
		select {
		case <-stop:
			seen <- last
			return
		default:
		}
		if high := read(t, dir+"memory.high"); high != "max" && last == "max" {
			last = "max " + high + ", memory.max " + read(t, dir+"memory.max")
		}
	}
}

func number(t testing.TB, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// stat is one line of the unit's memory.stat.
func stat(t testing.TB, unit, name string) int64 {
	t.Helper()
	for line := range strings.Lines(cgroupFile(t, unit, "memory.stat")) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), " "); key == name {
			return number(t, value)
		}
	}
	return 0
}

// TestE2EPinned moves a unit to the second memory node and back.
func TestE2EPinned(t *testing.T) {
	h := newHost(t)
	for _, name := range []string{"plain", "override"} {
		t.Run(name, func(t *testing.T) {
			unit := "bsystemd-pin-" + name + ".service"
			dropIns := map[string]string{}
			if name == "override" {
				dropIns["override.conf"] = "[Service]\nAllowedCPUs=\nAllowedMemoryNodes=\n"
			}
			h.start(t, unit, sleeper(), dropIns)
			target := h.target(unit)
			was, pid := before(t, unit), show(t, unit, "MainPID")
			p := h.plan(t, target, policy.CPUs, policy.Set("2-3"))
			h.do(t, target, p)
			becomes(t, unit, "cpuset.cpus", "2-3")
			becomes(t, unit, "cpuset.mems", "1")
			systemctl(t, "daemon-reload")
			becomes(t, unit, "cpuset.cpus.effective", "2-3")
			h.undo(t, target, p)
			systemctl(t, "daemon-reload")
			if diff := cmp.Diff(was, before(t, unit)); diff != "" {
				t.Errorf("after undo and a daemon-reload (-was +is):\n%s", diff)
			}
			allowed := strings.Fields(read(t, "/proc/"+pid+"/status"))
			if i := slices.Index(allowed, "Cpus_allowed_list:"); allowed[i+1] != "0-3" {
				t.Errorf("the process may run on %s after undo", allowed[i+1])
			}
			if i := slices.Index(allowed, "Mems_allowed_list:"); allowed[i+1] != "0-1" {
				t.Errorf("the process may use memory of %s after undo", allowed[i+1])
			}
		})
	}
}

// TestE2ERelease wants nothing to be left of what was committed, on every way.
func TestE2ERelease(t *testing.T) {
	h := newHost(t)
	const unit = "bsystemd-release.service"
	h.start(t, unit, sleeper("CPUQuota=25%"), map[string]string{"override.conf": "[Service]\nMemoryMax=128M\n"})
	was := before(t, unit)
	target := h.target(unit)
	for r, to := range map[policy.Resource]policy.Quantity{policy.CPU: policy.Amount(1500), policy.Memory: policy.Amount(256 << 20), policy.CPUs: policy.Set("2-3")} {
		h.do(t, target, h.plan(t, target, r, to))
	}
	for r, to := range map[policy.Resource]policy.Quantity{policy.CPU: policy.Amount(250), policy.Memory: policy.Amount(128 << 20), policy.CPUs: {}} {
		h.do(t, target, h.plan(t, target, r, to))
	}
	for range 2 {
		if err := h.driver.Release(t.Context(), target); err != nil {
			t.Fatal(err)
		}
	}
	becomes(t, unit, "cpu.max", "25000 100000")
	if diff := cmp.Diff(was, before(t, unit)); diff != "" {
		t.Errorf("after release (-was +is):\n%s", diff)
	}
}

// TestE2ESlice limits a slice, and wants its limit to be honoured for the service in it.
func TestE2ESlice(t *testing.T) {
	h := newHost(t)
	const slice, unit = "bsystemd.slice", "bsystemd-inside.service"
	h.start(t, unit, sleeper("Slice="+slice, "CPUQuota=25%"), nil)
	t.Cleanup(func() { wipe(t, slice) })
	whole, inside := h.target(slice), h.target(unit)
	was := filesOf(t, slice)
	p := h.plan(t, whole, policy.CPU, policy.Amount(500))
	h.do(t, whole, p)
	becomes(t, slice, "cpu.max", "50000 100000")
	st, err := h.driver.Observe(t.Context(), inside)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.driver.Plan(inside, st, policy.Size{policy.CPU: policy.Amount(800)}); !errors.Is(err, actuators.ErrRefused) || !strings.Contains(fmt.Sprint(err), "the slice above it allows only 500m") {
		t.Errorf("more than the slice: %v", err)
	}
	h.undo(t, whole, p)
	if diff := cmp.Diff(was, filesOf(t, slice)); diff != "" {
		t.Errorf("after undo (-was +is):\n%s", diff)
	}
}

// TestE2ETransient changes what has no unit file.
func TestE2ETransient(t *testing.T) {
	h := newHost(t)
	const unit = "bsystemd-transient.service"
	t.Cleanup(func() { wipe(t, unit) })
	run(t, "systemd-run", "--unit="+unit, "--property=CPUQuota=25%", "/bin/sleep", "infinity")
	target := h.target(unit, persistent)
	was := before(t, unit)
	p := h.plan(t, target, policy.CPU, policy.Amount(1500))
	h.do(t, target, p)
	becomes(t, unit, "cpu.max", "150000 100000")
	systemctl(t, "daemon-reload")
	becomes(t, unit, "cpu.max", "150000 100000")
	h.undo(t, target, p)
	becomes(t, unit, "cpu.max", "25000 100000")
	if diff := cmp.Diff(was, before(t, unit)); diff != "" {
		t.Errorf("after undo (-was +is):\n%s", diff)
	}
}
