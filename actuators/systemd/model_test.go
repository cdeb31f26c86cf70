package systemd_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	dbus "github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"github.com/engramd/engramd/actuators/systemd"
	"github.com/engramd/engramd/policy"
)

// A model is a systemd with its files below a temporary root: it loads drop-ins by the real one's
// precedence, keeps what it has loaded until a daemon-reload, and writes control groups.
type model struct {
	t    testing.TB
	root string

	mu    sync.Mutex
	units map[string]*modelUnit
	calls []string
	away  bool
	// before and after let a call fail without and with its effect.
	before, after func(call string) error
	// fileFault lets a change of a file fail.
	fileFault func(op, name string) error
}

type modelUnit struct {
	name, load, active, sub string
	transient               bool
	starts                  int
	loaded                  map[string]string // settings
	dropIns                 []string
	failsToStart            bool
	dependents              []string
	hard, cache             int64 // memory that stays, and page cache
	stalls                  bool  // reclaim does nothing but stall
	thrashes                bool  // what was reclaimed is read again and again
	stalled                 int64 // microseconds
	more                    map[string]any
}

func newModel(t testing.TB) *model {
	m := &model{t: t, root: memoryDir(t), units: map[string]*modelUnit{}}
	for name, text := range map[string]string{
		"etc/machine-id":      "0123456789abcdef0123456789abcdef\n",
		"proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n",
		"proc/self/status":    "Cpus_allowed_list:\t0-3\n",
		"proc/meminfo":        "MemTotal: 2097152 kB\n",
		"proc/" + strconv.Itoa(os.Getpid()) + "/cgroup":           "0::/system.slice/engramd.service\n",
		"sys/devices/system/cpu/online":                           "0-3\n",
		"sys/devices/system/node/node0/cpulist":                   "0-1\n",
		"sys/devices/system/node/node0/meminfo":                   "Node 0 MemTotal: 1048576 kB\n",
		"sys/devices/system/node/node1/cpulist":                   "2-3\n",
		"sys/devices/system/node/node1/meminfo":                   "Node 1 MemTotal: 1048576 kB\n",
		"sys/fs/cgroup/cgroup.controllers":                        "cpuset cpu io memory pids\n",
		"sys/fs/cgroup/cpuset.cpus.effective":                     "0-3\n",
		"sys/fs/cgroup/cpuset.mems.effective":                     "0-1\n",
		"sys/fs/cgroup/system.slice/engramd.service/cgroup.procs": "1\n",
		"sys/fs/cgroup/system.slice/cpuset.cpus.effective":        "0-3\n",
		"sys/fs/cgroup/system.slice/cpuset.mems.effective":        "0-1\n",
		"run/systemd/system/keep":                                 "", // the directories that a host has
		"etc/systemd/system/keep":                                 "",
		"run/systemd/transient/keep":                              "",
	} {
		m.write(name, text)
	}
	return m
}

// memoryDir is a temporary directory where a sync costs nothing, if there is one.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "engramd-systemd-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (m *model) at(name string) string { return filepath.Join(m.root, name) }

func (m *model) write(name, text string) {
	m.t.Helper()
	temp := filepath.Join(m.root, "temp")
	err := errors.Join(os.MkdirAll(filepath.Dir(m.at(name)), 0o755), os.WriteFile(temp, []byte(text), 0o644), os.Rename(temp, m.at(name)))
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) driver() *systemd.Driver {
	d := systemd.NewAt(m.root, func(op, name string) error {
		if m.fileFault == nil {
			return nil
		}
		return m.fileFault(op, name)
	}, func(context.Context, bool) (systemd.Bus, error) {
		if m.away {
			return nil, &fs.PathError{Op: "dial", Path: "system_bus_socket", Err: fs.ErrNotExist}
		}
		return m, nil
	})
	m.t.Cleanup(func() { d.Close() })
	return d
}

// add makes a running unit, with drop-ins by their paths below the root.
func (m *model) add(name, fragment string, dropIns map[string]string) *modelUnit {
	m.t.Helper()
	u := &modelUnit{name: name, load: "loaded", active: "active", sub: "running", starts: 1, hard: 8 << 20}
	m.units[name] = u
	m.write("run/systemd/system/"+name, fragment)
	for path, text := range dropIns {
		m.write(path, text)
	}
	m.loadUnit(u)
	m.realize(u)
	return u
}

func (m *model) target(name string, edits ...func(*policy.Target)) policy.Target {
	t := policy.Target{Name: "engram", Specs: map[string]any{"systemd": &systemd.Spec{Unit: name}}}
	for _, edit := range edits {
		edit(&t)
	}
	return t
}

var unitPath = []string{"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient", "/etc/systemd/system", "/run/systemd/system", "/lib/systemd/system"}

// stale reports whether other drop-ins are there than were loaded.
func (m *model) stale(u *modelUnit) bool {
	now := &modelUnit{name: u.name}
	m.loadUnit(now)
	return !slices.Equal(now.dropIns, u.dropIns)
}

// loadUnit reads a unit's files as systemd does: of two drop-ins of one name the directory that comes
// first wins, and then the names decide.
func (m *model) loadUnit(u *modelUnit) {
	byName := map[string]string{}
	for _, dir := range slices.Backward(unitPath) {
		entries, _ := os.ReadDir(m.at(filepath.Join(dir, u.name+".d")))
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".conf") {
				byName[e.Name()] = filepath.Join(dir, u.name+".d", e.Name())
			}
		}
	}
	u.loaded, u.dropIns = map[string]string{}, nil
	m.merge(u, "/run/systemd/system/"+u.name)
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		u.dropIns = append(u.dropIns, byName[name])
		m.merge(u, byName[name])
	}
}

func (m *model) merge(u *modelUnit, path string) {
	text, err := os.ReadFile(m.at(path))
	if err != nil {
		m.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || !slices.Contains(systemd.Keys, key) {
			continue
		}
		canonical := m.canonical(key, value)
		if strings.HasPrefix(key, "Allowed") && canonical != "" { // sets add up over lines and files
			was, _ := policy.ParseIDs(u.loaded[key])
			more, _ := policy.ParseIDs(canonical)
			canonical = was.Or(more).String()
		}
		if canonical == "" {
			delete(u.loaded, key)
		} else {
			u.loaded[key] = canonical
		}
	}
}

// canonical is a value as the driver has it.
func (m *model) canonical(key, value string) string {
	switch {
	case value == "" || value == "infinity" || key == "MemoryLow" && value == "0":
		return ""
	case key == "CPUQuota":
		f, err := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
		if err != nil {
			m.t.Fatalf("CPUQuota=%s: %v", value, err)
		}
		return fmt.Sprintf("%.2f%%", f)
	case strings.HasPrefix(key, "Allowed"):
		ids, err := policy.ParseIDs(strings.ReplaceAll(value, " ", ","))
		if err != nil {
			m.t.Fatalf("%s=%s: %v", key, value, err)
		}
		return ids.String()
	}
	unit := map[byte]int64{'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}[value[len(value)-1]]
	if unit != 0 {
		value = value[:len(value)-1]
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		m.t.Fatalf("%s=%s: %v", key, value, err)
	}
	return strconv.FormatInt(n*max(1, unit), 10)
}

func (m *model) group(u *modelUnit) string { return "/system.slice/" + u.name }

// realize writes the control group. A set of processors that is not set any more stays in the kernel
// as it was.
func (m *model) realize(u *modelUnit) {
	if u.active != "active" {
		os.RemoveAll(m.at("sys/fs/cgroup" + m.group(u)))
		return
	}
	set := func(name, text string) { m.write("sys/fs/cgroup"+m.group(u)+"/"+name, text+"\n") }
	limit := func(key string) string {
		if v := u.loaded[key]; v != "" {
			return v
		}
		return "max"
	}
	quota := "max"
	if v := u.loaded["CPUQuota"]; v != "" {
		percent, _ := strconv.ParseFloat(strings.TrimSuffix(v, "%"), 64)
		quota = strconv.Itoa(int(percent * 1000))
	}
	set("cpu.max", quota+" 100000")
	m.squeeze(u)
	set("memory.max", limit("MemoryMax"))
	set("memory.high", limit("MemoryHigh"))
	set("memory.swap.max", limit("MemorySwapMax"))
	set("memory.low", "0")
	set("memory.current", strconv.FormatInt(u.hard+u.cache, 10))
	set("memory.stat", fmt.Sprintf("anon %d\nfile %d\ninactive_file %d\nactive_file 0", u.hard, u.cache, u.cache))
	if u.stalls || u.thrashes { // else there is nothing to watch, and nothing to wait for
		set("memory.pressure", fmt.Sprintf("some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=%[1]d", u.stalled))
	}
	for key, name := range map[string]string{"AllowedCPUs": "cpuset.cpus.effective", "AllowedMemoryNodes": "cpuset.mems.effective"} {
		text := u.loaded[key]
		if _, err := os.Stat(m.at("sys/fs/cgroup" + m.group(u) + "/" + name)); text == "" && err != nil {
			text = map[string]string{"AllowedCPUs": "0-3", "AllowedMemoryNodes": "0-1"}[key]
		}
		if text != "" {
			set(name, text)
		}
	}
}

// squeeze reclaims, and kills where a limit does not fit.
func (m *model) squeeze(u *modelUnit) {
	for _, key := range []string{"MemoryHigh", "MemoryMax"} {
		n, err := strconv.ParseInt(u.loaded[key], 10, 64)
		if err != nil || u.hard+u.cache <= n {
			continue
		}
		if key == "MemoryHigh" && u.stalls {
			continue
		}
		u.cache = max(0, n-u.hard)
		if key == "MemoryMax" && u.hard > n {
			m.t.Errorf("%s was killed for want of memory: %d do not fit into %d", u.name, u.hard, n)
		}
	}
}

func (m *model) call(format string, args ...any) (done func() error, err error) {
	text := fmt.Sprintf(format, args...)
	if m.away {
		return nil, godbus.ErrClosed
	}
	if m.before != nil {
		if err := m.before(text); err != nil {
			return nil, err
		}
	}
	m.calls = append(m.calls, text)
	return func() error {
		if m.after != nil {
			return m.after(text)
		}
		return nil
	}, nil
}

func (m *model) About() systemd.About {
	return systemd.About{Version: "252", UnitPath: unitPath}
}

func (m *model) Unit(ctx context.Context, name string) (map[string]any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return nil, godbus.ErrClosed
	}
	u, ok := m.units[name]
	if !ok {
		return map[string]any{"Id": name, "LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"}, ctx.Err()
	}
	p := map[string]any{
		"Id": u.name, "Names": []string{u.name}, "LoadState": u.load, "ActiveState": u.active, "SubState": u.sub, "Transient": u.transient,
		"FragmentPath": "/run/systemd/system/" + u.name, "DropInPaths": slices.Clone(u.dropIns), "NeedDaemonReload": m.stale(u),
		"CanStart": true, "CanStop": true, "RequiredBy": u.dependents, "Result": "success",
		"TimeoutStopUSec": uint64(90e6), "NRestarts": uint32(0), "ExecMainStartTimestamp": uint64(1_700_000_000_000_000 + u.starts),
	}
	if u.active == "active" {
		p["InvocationID"] = fmt.Appendf(nil, "%016d", u.starts)
		p["ControlGroup"], p["MainPID"] = m.group(u), uint32(100+u.starts)
	}
	for _, key := range systemd.Keys {
		property, err := systemd.Property(key, u.loaded[key])
		if err != nil {
			m.t.Fatal(err)
		}
		p[property.Name] = property.Value.Value()
	}
	maps.Copy(p, u.more)
	return p, ctx.Err()
}

func (m *model) Units(context.Context) ([]dbus.UnitStatus, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []dbus.UnitStatus
	for _, u := range m.units {
		all = append(all, dbus.UnitStatus{Name: u.name, ActiveState: u.active, SubState: u.sub, Description: "a service"})
	}
	return all, nil
}

// Set does as SetUnitProperties does: it writes a file for each setting, which may be beaten by
// another at the next daemon-reload, and changes what is loaded.
func (m *model) Set(ctx context.Context, name string, runtime bool, properties []dbus.Property) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.units[name]
	var words []string
	for _, p := range properties {
		key := strings.Replace(p.Name, "CPUQuotaPerSecUSec", "CPUQuota", 1)
		words = append(words, key+"="+systemd.TextOf(key, p.Value.Value()))
	}
	done, err := m.call("set %s", strings.Join(words, " "))
	if err != nil {
		return err
	}
	dir := "/etc/systemd/system.control"
	switch {
	case u.transient:
		dir = "/run/systemd/transient"
	case runtime:
		dir = "/run/systemd/system.control"
	}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		path := filepath.Join(dir, u.name+".d", "50-"+key+".conf")
		if value == "" && strings.HasPrefix(key, "Memory") {
			value = "infinity"
		}
		if percent, ok := strings.CutSuffix(value, "%"); ok { // as systemd writes it
			value = strings.TrimRight(strings.TrimRight(percent, "0"), ".") + "%"
		}
		m.write(path, "# This is a drop-in unit file extension, created via \"systemctl set-property\"\n# or an equivalent operation. Do not edit.\n[Service]\n"+
			key+"="+strings.ReplaceAll(value, ",", " ")+"\n")
		if !slices.Contains(u.dropIns, path) {
			u.dropIns = append(u.dropIns, path)
		}
		if canonical := m.canonical(key, value); canonical == "" {
			delete(u.loaded, key)
		} else {
			u.loaded[key] = canonical
		}
	}
	m.realize(u)
	return done()
}

func (m *model) Reload(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	done, err := m.call("reload")
	if err != nil {
		return err
	}
	m.reloadAll()
	return done()
}

func (m *model) reloadAll() {
	for _, u := range m.units {
		m.loadUnit(u)
		m.realize(u)
	}
}

func (m *model) Run(_ context.Context, job, name string, ended chan<- string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	done, err := m.call("%s %s", job, name)
	if err != nil {
		return err
	}
	u, result := m.units[name], "done"
	switch {
	case job == "stop":
		u.active, u.sub, u.cache = "inactive", "dead", 0
	case u.failsToStart:
		u.active, u.sub, result = "failed", "failed", "failed"
	default:
		u.active, u.sub, u.cache, u.starts = "active", "running", 0, u.starts+1
		u.hard = min(u.hard, 8<<20)
	}
	os.RemoveAll(m.at("sys/fs/cgroup" + m.group(u)))
	m.realize(u)
	if err := done(); err != nil {
		return err
	}
	ended <- result
	return nil
}

func (m *model) Kill(context.Context, string, int32) error { return nil }

func (m *model) ResetFailed(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.units[name].active, m.units[name].sub = "inactive", "dead"
	return nil
}

func (m *model) Connected() bool { return !m.away }

func (m *model) Close() {}

// tree is every unit file and drop-in, with its text; directories end in a slash.
func (m *model) tree() map[string]string {
	m.t.Helper()
	found := map[string]string{}
	for _, dir := range []string{"etc/systemd", "run/systemd"} {
		err := filepath.WalkDir(m.at(dir), func(path string, d fs.DirEntry, err error) error {
			name := strings.TrimPrefix(path, m.root)
			if err != nil || d.IsDir() {
				found[name+"/"] = ""
				return err
			}
			text, err := os.ReadFile(path)
			found[name] = string(text)
			return err
		})
		if err != nil {
			m.t.Fatal(err)
		}
	}
	return found
}

func (m *model) read(name string) (string, error) {
	text, err := os.ReadFile(m.at(name))
	return strings.TrimSpace(string(text)), err
}
