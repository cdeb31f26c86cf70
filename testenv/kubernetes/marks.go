package kubernetes

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/engramd/engramd/testenv/cgroupfs"
)

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
