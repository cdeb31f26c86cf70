// Command pid1 is the first process of a test node's namespaces: it makes the mounts private to the node, and then waits,
// and takes in the processes that others leave behind. When it is killed, the kernel ends the whole node.
//
//	pid1 DIR        be the first process; DIR is the node's directory; says "ready" once on standard output
//	pid1 pause      wait for SIGTERM: what the sandbox of every pod runs
package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: pid1 DIR | pid1 pause")
		os.Exit(2)
	}
	if os.Args[1] == "pause" {
		pause()
		return
	}
	if err := prepare(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "pid1:", err)
		os.Exit(1)
	}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	fmt.Println("ready")
	for range children {
		reap()
	}
}

func pause() {
	end := make(chan os.Signal, 1)
	children := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(children, syscall.SIGCHLD)
	for {
		select {
		case <-end:
			return
		case <-children:
			reap()
		}
	}
}

// reap takes in all children that have ended.
func reap() {
	for {
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 && err != syscall.EINTR {
			return
		}
	}
}

// kernelSettings are what a kubelet wants to find, and would change on the whole machine.
var kernelSettings = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// prepare makes the mounts of the node: nothing of it is seen outside, and nothing outlives the namespace.
func prepare(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// Sockets, locks and network namespaces, which the parts of a node keep below fixed paths.
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	// What the kubelet shares with pods must be able to show later mounts in them.
	for _, own := range []string{filepath.Join(dir, "kubelet"), filepath.Join(dir, "log")} {
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount(filepath.Join(dir, "log"), "/var/log", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount /var/log: %w", err)
	}
	return pretend(filepath.Join(dir, "settings"))
}

// pretend puts a file over each kernel setting, so that the kubelet finds what it wants and leaves the machine's alone.
func pretend(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, value := range kernelSettings {
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("pretend the setting %s: %w", name, err)
		}
	}
	return nil
}
