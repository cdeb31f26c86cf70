// Package cgroupfs reads a process's own control groups, version 1 and 2, straight from the kernel's files.
//
// It exists beside actuators/cgroup on purpose: the tests judge the product by the kernel's counters, and must not use
// the product's reader for that. A Group is a value: it holds directory names, no file is kept open.
package cgroupfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoController is wrapped by every error that says that a controller is neither mounted nor in use.
var ErrNoController = errors.New("no such cgroup controller")

// unified names the version 2 hierarchy among a group's directories.
const unified = ""

// A Group is one process's or container's place in every mounted cgroup hierarchy.
type Group struct {
	dirs map[string]string // controller ("" is the version 2 hierarchy) to directory
}

// OfProcess finds the group of a process by its id; "self" is the caller.
func OfProcess(pid string) (Group, error) {
	memberships, err := os.ReadFile(filepath.Join("/proc", pid, "cgroup"))
	if err != nil {
		return Group{}, fmt.Errorf("read the cgroup of process %s: %w", pid, err)
	}
	mounts, err := Mounts()
	if err != nil {
		return Group{}, err
	}
	return locate(string(memberships), mounts), nil
}

// locate joins the lines of /proc/PID/cgroup with the hierarchies' mount points.
func locate(memberships string, mounts []Mount) Group {
	g := Group{dirs: map[string]string{}}
	for line := range strings.Lines(memberships) {
		_, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		controllers, path, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		for controller := range strings.SplitSeq(controllers, ",") {
			for _, m := range mounts {
				if m.has(controller) {
					g.dirs[controller] = m.dir(path)
					break
				}
			}
		}
	}
	return g
}

// Dir returns the directory in which the files of a controller are, and whether it is of the version 2 hierarchy.
func (g Group) Dir(controller string) (dir string, v2 bool, err error) {
	if dir, ok := g.dirs[controller]; ok {
		return dir, controller == unified, nil
	}
	if dir, ok := g.dirs[unified]; ok && offers(dir, controller) {
		return dir, true, nil
	}
	return "", false, fmt.Errorf("%w: %s (is it mounted under /sys/fs/cgroup?)", ErrNoController, controller)
}

// offers tells whether a version 2 directory has the files of a controller. "cgroup" stands for the core files and the
// pressure files, which need no controller.
func offers(dir, controller string) bool {
	if controller == "cgroup" {
		return true
	}
	enabled, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return false
	}
	for name := range strings.FieldsSeq(string(enabled)) {
		// Version 2 counts CPU time in the cpu controller.
		if name == controller || name == "cpu" && controller == "cpuacct" {
			return true
		}
	}
	return false
}

// Read returns the content of one of the group's files, without the trailing newline.
func (g Group) Read(controller, file string) (string, error) {
	dir, _, err := g.Dir(controller)
	if err != nil {
		return "", err
	}
	content, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return "", fmt.Errorf("read a cgroup file: %w", err)
	}
	return strings.TrimRight(string(content), "\n"), nil
}
