package docker

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/engramd/engramd/testenv/cgroupfs"
)

// things are what an environment has outside its directory and cgroup. They are known only as long as its files are there.
type things struct {
	bridges []string
	veths   []string // the host's ends; the kernel removes them with the containers' network namespaces
	sockets []string // of containerd's shims, which all containerds of a machine keep in one directory
}

// bridgeName matches a bridge in dockerd's database of networks, whose values are JSON.
var bridgeName = regexp.MustCompile(`"BridgeName":"([A-Za-z0-9_.-]{1,15})"`)

func (e environment) things() things {
	var t things
	if isBridge(e.bridge()) {
		t.bridges = append(t.bridges, e.bridge())
	}
	networks, err := os.ReadFile(e.path("data", "network", "files", "local-kv.db"))
	if err == nil {
		for _, match := range bridgeName.FindAllSubmatch(networks, -1) {
			t.bridges = append(t.bridges, string(match[1]))
		}
	}
	slices.Sort(t.bridges)
	t.bridges = slices.Compact(t.bridges)
	for _, bridge := range t.bridges {
		ports, _ := os.ReadDir(filepath.Join("/sys/class/net", bridge, "brif")) // none: no such bridge now
		for _, port := range ports {
			t.veths = append(t.veths, port.Name())
		}
	}
	addresses, _ := filepath.Glob(e.path("containerd", "state", "*", "moby", "*", "address"))
	for _, name := range addresses {
		if content, err := os.ReadFile(name); err == nil {
			t.sockets = append(t.sockets, strings.TrimPrefix(strings.TrimSpace(string(content)), "unix://"))
		}
	}
	return t
}

// bridge is the name of the environment's default bridge, whether or not it has one.
func (e environment) bridge() string {
	return "eg-" + strings.TrimPrefix(filepath.Base(e.Root), rootPrefix)
}

// processes lists the environment's daemons, which name its directory on their command line, and everything that runs in
// its cgroup. A zombie has no command line and is no longer anybody's.
func (e environment) processes() []int {
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		executable, err := os.Readlink(filepath.Join("/proc", entry.Name(), "exe"))
		if err != nil || !isDaemon(filepath.Base(executable)) {
			continue
		}
		if strings.Contains(commandLine(pid), e.Root+"/") {
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

// isDaemon tells the engine's programs from others that merely name the socket, such as engramd or a docker client.
func isDaemon(executable string) bool {
	return executable == "dockerd" || executable == "runc" || strings.HasPrefix(executable, "containerd")
}

func commandLine(pid int) string {
	content, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline")) // none: it has ended
	return strings.TrimSpace(strings.ReplaceAll(string(content), "\x00", " "))
}

func describe(pid int) string { return fmt.Sprintf("%d (%s)", pid, commandLine(pid)) }

// mounts lists the mount points below the environment's directory, oldest first.
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
		top := filepath.Join(mount.Point, e.CgroupParent)
		_ = filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				dirs = append(dirs, name)
			}
			return nil // what vanishes meanwhile needs no removal
		})
	}
	return dirs
}
