package kubernetes

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	purgeFor   = 20 * time.Second
	purgeEvery = 20 * time.Millisecond
)

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
