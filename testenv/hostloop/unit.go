package hostloop

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

// A Spec says how a unit is made.
type Spec struct {
	Name     string   // without .service
	Lines    []string // of its [Service], such as CPUQuota=50%
	Override []string // lines of an administrator's override.conf; nil is none
	Env      map[string]string
}

// A Unit is a service with the workload in it.
type Unit struct {
	Name string // with .service
	testenv.Workload
}

const unitDir = "/etc/systemd/system"

// placesOfUnits are the directories in which files of a unit may be.
var placesOfUnits = []string{
	unitDir, "/run/systemd/system", "/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient",
}

// Start makes a unit and waits until its workload is healthy. It needs the host to be the test's own.
func Start(t testing.TB, spec Spec) *Unit {
	t.Helper()
	return StartAll(t, spec)[spec.Name]
}

// StartAll makes some units at once, by their names.
func StartAll(t testing.TB, specs ...Spec) map[string]*Unit {
	t.Helper()
	testenv.Need(t, "host")
	units := map[string]*Unit{}
	var names []string
	t.Cleanup(func() { remove(t, units) })
	for _, spec := range specs {
		u := spec.write(t)
		units[spec.Name], names = u, append(names, u.Name)
	}
	Systemctl(t, "daemon-reload")
	Systemctl(t, append([]string{"start"}, names...)...)
	for _, u := range units {
		testenv.Eventually(t, 20*time.Second, u.Name+" is healthy", u.Healthy)
	}
	return units
}

// write writes a unit's files.
func (s Spec) write(t testing.TB) *Unit {
	t.Helper()
	listen := fmt.Sprintf("127.0.0.1:%d", testenv.Port(t))
	u := &Unit{Name: s.Name + ".service", Workload: testenv.Workload{URL: "http://" + listen}}
	lines := []string{"[Service]", "ExecStart=" + testenv.Build(t, "testenv/workload"), "Environment=WORKLOAD_LISTEN=" + listen}
	for _, key := range slices.Sorted(maps.Keys(s.Env)) {
		lines = append(lines, "Environment="+key+"="+s.Env[key])
	}
	write(t, filepath.Join(unitDir, u.Name), append(lines, s.Lines...)...)
	if s.Override != nil {
		write(t, filepath.Join(unitDir, u.Name+".d", "override.conf"), append([]string{"[Service]"}, s.Override...)...)
	}
	return u
}

func write(t testing.TB, name string, lines ...string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o644)
	}
	if err != nil {
		t.Fatalf("hostloop: %v", err)
	}
}

// remove leaves nothing of units, whatever state they are in.
func remove(t testing.TB, units map[string]*Unit) {
	var names []string
	for _, u := range units {
		names = append(names, u.Name)
		if t.Failed() {
			status, _ := exec.Command("systemctl", "--no-pager", "--lines=3", "status", u.Name).CombinedOutput()
			t.Logf("%s\nits files: %v", status, u.Files(t))
		}
	}
	_ = exec.Command("systemctl", append([]string{"kill", "--signal=KILL"}, names...)...).Run() // what has ended already
	Systemctl(t, append([]string{"stop"}, names...)...)
	_ = exec.Command("systemctl", append([]string{"reset-failed"}, names...)...).Run() // what has not failed
	for _, name := range names {
		for _, dir := range placesOfUnits {
			_ = os.Remove(filepath.Join(dir, name)) // most are not there
			_ = os.RemoveAll(filepath.Join(dir, name+".d"))
		}
	}
	for _, dir := range []string{"/etc/systemd/system.control", "/run/systemd/system.control"} {
		_ = os.Remove(dir) // unless something else is in it
	}
	Systemctl(t, "daemon-reload")
}

// Systemctl runs the command, which must succeed. The product never does.
func Systemctl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("systemctl", args...).CombinedOutput()
	if err != nil {
		t.Errorf("hostloop: systemctl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Property is what systemd says of the unit.
func (u *Unit) Property(t testing.TB, name string) string {
	t.Helper()
	return Systemctl(t, "show", "--value", "--property="+name, u.Name)
}

// PID is the unit's main process.
func (u *Unit) PID(t testing.TB) string {
	t.Helper()
	return u.Property(t, "MainPID")
}

// Files are the unit's files, with what is in them, and the directories that hold only such.
func (u *Unit) Files(t testing.TB) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, dir := range placesOfUnits {
		if content, err := os.ReadFile(filepath.Join(dir, u.Name)); err == nil {
			found[filepath.Join(dir, u.Name)] = string(content)
		}
		err := filepath.WalkDir(filepath.Join(dir, u.Name+".d"), func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return fs.SkipAll // it is not there
			}
			content := []byte("directory")
			if !entry.IsDir() {
				content, err = os.ReadFile(name)
			}
			found[name] = string(content)
			return err
		})
		if err != nil {
			t.Fatalf("hostloop: %v", err)
		}
	}
	return found
}
