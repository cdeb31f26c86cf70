package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// policyFile, while it exists and exits with 101, keeps Debian's packages from starting their services: the tests start
// their own, and a second, system-wide one would stay behind.
const policyFile = "/usr/sbin/policy-rc.d"

// install installs Debian's packages. One process at a time does, so that packages of concurrent tests do not collide.
func install(packages []string) error {
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		return errors.New("no apt-get here: install the packages by hand")
	}
	if os.Geteuid() != 0 {
		return errors.New("installing needs root: run as root, or install the packages by hand")
	}
	lock, err := os.OpenFile("/run/lock/engramd-testenv-apt", os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("lock the installation: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock the installation: %w", err)
	}
	allow, err := forbidServices()
	if err != nil {
		return err
	}
	defer allow()
	if err := run(apt, "update", "-q"); err != nil {
		return err
	}
	return run(apt, append([]string{"install", "-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"}, packages...)...)
}

// forbidServices puts the policy file in place unless the machine has its own.
func forbidServices() (allow func(), err error) {
	f, err := os.OpenFile(policyFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keep packages from starting services: %w", err)
	}
	if _, err := f.WriteString("#!/bin/sh\nexit 101\n"); err != nil {
		return nil, errors.Join(fmt.Errorf("keep packages from starting services: %w", err), f.Close(), os.Remove(policyFile))
	}
	return func() { os.Remove(policyFile) }, f.Close()
}

func run(command string, args ...string) error {
	cmd := exec.Command(command, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w:\n%s", cmd.Args, err, tail(out, 2000))
	}
	return nil
}

// tail returns at most the last n bytes.
func tail(text []byte, n int) []byte {
	return bytes.TrimSpace(text[max(0, len(text)-n):])
}
