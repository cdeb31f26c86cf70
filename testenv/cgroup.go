package testenv

import (
	"strconv"
	"testing"

	"github.com/engramd/engramd/testenv/cgroupfs"
)

// Cgroup finds the cgroup of a process (its id) or of a running container (its id, at least 12 digits) by the kernel's own
// files, on cgroup v1 and v2, without any code of the product.
func Cgroup(t testing.TB, containerOrPID string) cgroupfs.Group {
	t.Helper()
	find := cgroupfs.OfContainer
	if _, err := strconv.Atoi(containerOrPID); err == nil && len(containerOrPID) < 12 {
		find = cgroupfs.OfProcess
	}
	g, err := find(containerOrPID)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return g
}

// CgroupFile returns the content of a cgroup file of a process or container, without the trailing newline: of the
// controller's own directory on version 1 ("cpu", "cpu.cfs_quota_us"), of the unified one on version 2 ("cpu", "cpu.max").
func CgroupFile(t testing.TB, containerOrPID, controller, file string) string {
	t.Helper()
	content, err := Cgroup(t, containerOrPID).Read(controller, file)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return content
}

// CPULimit returns the enforced CPU limit of a process or container in cores; 0 is none.
func CPULimit(t testing.TB, containerOrPID string) float64 {
	t.Helper()
	cores, _, err := Cgroup(t, containerOrPID).CPULimit()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return cores
}

// MemoryLimit returns the enforced memory limit of a process or container in bytes; 0 is none.
func MemoryLimit(t testing.TB, containerOrPID string) int64 {
	t.Helper()
	bytes, _, err := Cgroup(t, containerOrPID).MemoryLimit()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return bytes
}

// CPUStat returns how often and how long the kernel held a process or container back.
func CPUStat(t testing.TB, containerOrPID string) cgroupfs.CPUStat {
	t.Helper()
	stat, err := Cgroup(t, containerOrPID).CPUStat()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return stat
}
