package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/engramd/engramd/testenv/cgroupfs"
)

// rootPrefix begins the name of every cluster's directory and cgroup.
const rootPrefix = "engramd-kubernetes-"

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
