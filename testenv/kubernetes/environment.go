package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/engramd/engramd/testenv/cgroupfs"
)

// rootPrefix begins the name of every cluster's directory and cgroup.
const rootPrefix = "engramd-kubernetes-"

const (
	purgeFor   = 20 * time.Second
	purgeEvery = 20 * time.Millisecond
)

// An environment is what marks a cluster's things as its own: its directory, its cgroup, and the process that owns it.
type environment struct {
	Root       string `json:"root"`
	OwnerPID   int    `json:"owner_pid"`
	OwnerStart string `json:"owner_start"` // in the kernel's ticks: a pid alone may be another process by now
}

// newEnvironment makes an environment's directory and writes down who owns it, before anything can be left behind.
func newEnvironment() (environment, error) {
	root, err := os.MkdirTemp("", rootPrefix)
	if err != nil {
		return environment{}, fmt.Errorf("make an environment: %w", err)
	}
	e := environment{Root: root, OwnerPID: os.Getpid()}
	if e.OwnerStart, err = startTime(e.OwnerPID); err != nil {
		return environment{}, err
	}
	content, err := json.Marshal(e)
	if err != nil {
		return environment{}, err
	}
	return e, os.WriteFile(e.path("owner.json"), content, 0o644)
}

func (e environment) path(parts ...string) string {
	return filepath.Join(append([]string{e.Root}, parts...)...)
}

// cgroup is the path, in every hierarchy, of the cgroup in which the kubelet makes those of the pods.
func (e environment) cgroup() string { return "/" + filepath.Base(e.Root) }

// device is the test's end of the veth pair: at most 15 characters.
func (e environment) device() string {
	return "ek-" + strings.TrimPrefix(filepath.Base(e.Root), rootPrefix)
}

// owned tells whether the owner is still alive.
func (e environment) owned() bool {
	start, err := startTime(e.OwnerPID)
	return err == nil && start == e.OwnerStart
}

// startTime is field 22 of /proc/PID/stat.
func startTime(pid int) (string, error) {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", err
	}
	// The second field is a name in parentheses, which may contain anything.
	fields := strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
	if len(fields) < 20 {
		return "", fmt.Errorf("read /proc/%d/stat: too few fields", pid)
	}
	return fields[19], nil
}

// Sweep removes the clusters that dead test processes have left on this machine, and says what it could not remove.
func Sweep() error {
	records, err := filepath.Glob(filepath.Join(os.TempDir(), rootPrefix+"*", "owner.json"))
	if err != nil {
		return err
	}
	for _, record := range records {
		content, err := os.ReadFile(record)
		if err != nil {
			continue // another process sweeps too
		}
		var e environment
		if json.Unmarshal(content, &e) != nil || e.Root != filepath.Dir(record) || e.owned() {
			continue
		}
		if left := e.purge(); len(left) > 0 {
			return fmt.Errorf("sweep %s: left: %s", e.Root, strings.Join(left, ", "))
		}
	}
	return nil
}

// purge removes everything that carries the environment's marks, whatever state it is in, and returns what is left. It
// can be repeated.
func (e environment) purge() (left []string) {
	for deadline := time.Now().Add(purgeFor); ; {
		for _, pid := range e.processes() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone already
		}
		for _, mount := range slices.Backward(e.mounts()) {
			_ = unix.Unmount(mount, unix.MNT_DETACH)
		}
		for _, dir := range slices.Backward(e.cgroups()) {
			_ = os.Remove(dir) // one with a process in it stays, and is tried again
		}
		if len(e.mounts()) == 0 && len(e.processes()) == 0 {
			_ = os.RemoveAll(e.Root)
		}
		if left = e.leftovers(); len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		<-time.After(purgeEvery)
	}
}

// leftovers lists what of an environment is still there.
func (e environment) leftovers() (left []string) {
	for _, pid := range e.processes() {
		left = append(left, fmt.Sprintf("process %d (%s)", pid, commandLine(pid)))
	}
	for _, mount := range e.mounts() {
		left = append(left, "mount "+mount)
	}
	for _, dir := range e.cgroups() {
		left = append(left, "cgroup "+dir)
	}
	if exists(filepath.Join("/sys/class/net", e.device())) {
		left = append(left, "interface "+e.device())
	}
	if exists(e.Root) {
		left = append(left, "directory "+e.Root)
	}
	return left
}

// processes lists what runs in the environment's cgroup, and the cluster's own programs, which name its directory on
// their command line. A zombie has no command line and is no longer anybody's.
func (e environment) processes() []int {
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		executable, err := os.Readlink(filepath.Join("/proc", entry.Name(), "exe"))
		if err == nil && isOurs(filepath.Base(executable)) && strings.Contains(commandLine(pid), e.Root+"/") {
			pids = append(pids, pid)
		}
	}
	for _, dir := range e.cgroups() {
		content, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs")) // none: the cgroup is gone
		for field := range strings.FieldsSeq(string(content)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 && commandLine(pid) != "" {
				pids = append(pids, pid)
			}
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// isOurs tells the cluster's programs from others that merely name its files, such as engramd or kubectl.
func isOurs(executable string) bool {
	return executable == "pid1" || executable == "runc" ||
		slices.ContainsFunc(programs(), func(p program) bool { return p.name == executable && executable != "ctr" })
}

func commandLine(pid int) string {
	content, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline")) // none: it has ended
	return strings.TrimSpace(strings.ReplaceAll(string(content), "\x00", " "))
}

// mounts lists the mount points below the environment's directory that are seen from outside the node, oldest first.
func (e environment) mounts() []string {
	content, _ := os.ReadFile("/proc/self/mountinfo") // every Linux has it
	var points []string
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], e.Root+"/") {
			points = append(points, fields[4])
		}
	}
	return points
}

// cgroups lists the environment's cgroup and those below it in every hierarchy, parents first.
func (e environment) cgroups() []string {
	mounts, _ := cgroupfs.Mounts() // every Linux has them
	var dirs []string
	for _, mount := range mounts {
		_ = filepath.WalkDir(filepath.Join(mount.Point, e.cgroup()), func(name string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				dirs = append(dirs, name)
			}
			return nil // what vanishes meanwhile needs no removal
		})
	}
	return dirs
}

// makeCgroups makes the environment's cgroup in every hierarchy: the kubelet wants to find it.
func (e environment) makeCgroups() error {
	mounts, err := cgroupfs.Mounts()
	if err != nil {
		return err
	}
	for _, mount := range mounts {
		dir := filepath.Join(mount.Point, e.cgroup())
		if err := os.Mkdir(dir, 0o755); err != nil && !exists(dir) {
			return fmt.Errorf("make the cluster's cgroup: %w", err)
		}
		// Version 1 leaves a new group without processors and memory nodes, where no process may be.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			all, err := os.ReadFile(filepath.Join(mount.Point, file))
			if err != nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), all, 0); err != nil {
				return fmt.Errorf("make the cluster's cgroup: %w", err)
			}
		}
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, os.ErrNotExist)
}
