package docker

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	purgeFor   = 15 * time.Second
	purgeEvery = 20 * time.Millisecond
)

// purge removes everything that carries the environment's marks, whatever state it is in, and returns what is left. It
// asks no daemon, and can be repeated.
func (e environment) purge() (left []string) {
	things := e.things()
	for deadline := time.Now().Add(purgeFor); ; {
		e.killAll()
		e.unmountAll()
		for _, bridge := range things.bridges {
			_ = deleteBridge(bridge) // what cannot be removed now is left, and tried again
		}
		for _, socket := range things.sockets {
			_ = os.Remove(socket)
		}
		e.removeCgroups()
		// The mounts must be gone first: the directory of a volume that is mounted elsewhere is not ours to empty.
		if len(e.mounts()) == 0 {
			_ = os.RemoveAll(e.Root)
		}
		if left = e.leftovers(things); len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		<-time.After(purgeEvery)
	}
}

// leftovers lists what of an environment is still there.
func (e environment) leftovers(t things) (left []string) {
	for _, pid := range e.processes() {
		left = append(left, "process "+describe(pid))
	}
	for _, mount := range e.mounts() {
		left = append(left, "mount "+mount)
	}
	for _, name := range slices.Concat(t.bridges, t.veths) {
		if exists(filepath.Join("/sys/class/net", name)) {
			left = append(left, "interface "+name)
		}
	}
	for _, dir := range e.cgroups() {
		left = append(left, "cgroup "+dir)
	}
	for _, file := range append(slices.Clone(t.sockets), e.Root) {
		if exists(file) {
			left = append(left, "file "+file)
		}
	}
	return left
}

// killAll kills the daemons and whatever runs in the containers. A paused container is thawed: it could not die.
func (e environment) killAll() {
	for _, dir := range e.cgroups() {
		_ = os.WriteFile(filepath.Join(dir, "freezer.state"), []byte("THAWED"), 0)
		_ = os.WriteFile(filepath.Join(dir, "cgroup.freeze"), []byte("0"), 0)
	}
	for _, pid := range e.processes() {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone already
	}
}

// unmountAll unmounts the newest mounts first.
func (e environment) unmountAll() {
	for _, mount := range slices.Backward(e.mounts()) {
		_ = unix.Unmount(mount, unix.MNT_DETACH)
	}
}

// removeCgroups removes the deepest first; a cgroup with a process in it stays.
func (e environment) removeCgroups() {
	for _, dir := range slices.Backward(e.cgroups()) {
		_ = os.Remove(dir)
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
