package docker

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

func isBridge(name string) bool { return exists(filepath.Join("/sys/class/net", name, "bridge")) }

// createBridge makes a bridge that is up and has an address.
func createBridge(name string, address netip.Prefix) error {
	return control(func(fd int) error {
		if err := bridgeCall(fd, unix.SIOCBRADDBR, name); err != nil {
			return fmt.Errorf("create the bridge %s: %w", name, err)
		}
		if err := setAddress(fd, unix.SIOCSIFADDR, name, address.Addr()); err != nil {
			return fmt.Errorf("give the bridge %s its address: %w", name, err)
		}
		mask := netip.AddrFrom4([4]byte{255, 255, 255, 0})
		if err := setAddress(fd, unix.SIOCSIFNETMASK, name, mask); err != nil {
			return fmt.Errorf("give the bridge %s its mask: %w", name, err)
		}
		return setFlags(fd, name, unix.IFF_UP)
	})
}

// deleteBridge removes a bridge; one that is not there is fine.
func deleteBridge(name string) error {
	if !isBridge(name) {
		return nil
	}
	return control(func(fd int) error {
		if err := setFlags(fd, name, 0); err != nil {
			return err
		}
		if err := bridgeCall(fd, unix.SIOCBRDELBR, name); err != nil {
			return fmt.Errorf("delete the bridge %s: %w", name, err)
		}
		return nil
	})
}

// control calls f with a socket that takes the ioctls of netdevice(7).
func control(f func(fd int) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	return f(fd)
}

func bridgeCall(fd int, request uint, name string) error {
	text, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(text))); errno != 0 {
		return errno
	}
	return nil
}

func setAddress(fd int, request uint, name string, address netip.Addr) error {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := r.SetInet4Addr(address.AsSlice()); err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, request, r)
}

func setFlags(fd int, name string, flags uint16) error {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	r.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r); err != nil {
		return fmt.Errorf("set the flags of %s: %w", name, err)
	}
	return nil
}
