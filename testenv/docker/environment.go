package docker

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// rootPrefix begins the name of every environment's directory.
const rootPrefix = "engramd-docker-"

// An environment is what marks a daemon's things as its own: its directory, its cgroup, and the process that owns it.
type environment struct {
	Root         string `json:"root"`
	CgroupParent string `json:"cgroup_parent"` // as dockerd wants it; its last part names the cgroup
	OwnerPID     int    `json:"owner_pid"`
	OwnerStart   string `json:"owner_start"` // in the kernel's ticks: a pid alone may be another process by now
}

// newEnvironment makes an environment's directory and writes down who owns it, before anything can be left behind.
func newEnvironment() (environment, error) {
	root, err := os.MkdirTemp("", rootPrefix) // short: a socket's path may have 107 bytes
	if err != nil {
		return environment{}, fmt.Errorf("make an environment: %w", err)
	}
	e := environment{Root: root, CgroupParent: cgroupParent(filepath.Base(root)), OwnerPID: os.Getpid()}
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

// owned tells whether the owner is still alive.
func (e environment) owned() bool {
	start, err := startTime(e.OwnerPID)
	return err == nil && start == e.OwnerStart
}

// cgroupParent names the cgroup of an environment's containers: a slice where dockerd lets systemd manage cgroups, by the
// same rule that dockerd goes by.
func cgroupParent(name string) string {
	_, noV2 := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	_, noSystemd := os.Stat("/run/systemd/system")
	if noV2 == nil && noSystemd == nil {
		return strings.ReplaceAll(name, "-", "") + ".slice" // a dash would nest slices
	}
	return "/" + name
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

// Sweep removes the environments that dead test processes have left on this machine, and says what it could not remove.
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
