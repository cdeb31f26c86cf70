package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A system is the host: its files below root, and what only the kernel and tools can tell and do. Tests
// put another in its place.
type system struct {
	root string
	// usage is how full the file system is that is mounted at a path.
	usage func(path string) (usage, error)
	// extent is how much of its device a mounted file system takes.
	extent func(m mount, device string) (extent, error)
	// born is when the file system was made, zero if that is not known.
	born func(path string) time.Time
	// find returns the full path of a tool.
	find func(tool string) (string, error)
	// run runs a tool and returns what it wrote.
	run func(ctx context.Context, argv ...string) (string, error)
	// wait is how a step waits.
	wait patience
}

func (s *system) path(elem ...string) string {
	return filepath.Join(append([]string{s.root}, elem...)...)
}

func thisHost() *system {
	s := &system{root: "/", usage: statfs, born: birth, find: findTool, run: runTool, wait: patient}
	s.extent = s.extentOf
	return s
}

// A usage is how full a file system is. Available is what those without privileges can have.
type usage struct {
	Size, Used, Available int64
	Inodes, InodesFree    int64
}

// free is the share of the room that is free, as df has it.
func (u usage) free() float64 {
	if u.Used+u.Available <= 0 {
		return 0
	}
	return float64(u.Available) / float64(u.Used+u.Available)
}

func statfs(path string) (usage, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return usage{}, fmt.Errorf("read the space of %s: %w", path, err)
	}
	block := st.Frsize
	if block == 0 {
		block = st.Bsize
	}
	return usage{
		Size: int64(st.Blocks) * block, Used: int64(st.Blocks-st.Bfree) * block, Available: int64(st.Bavail) * block,
		Inodes: int64(st.Files), InodesFree: int64(st.Ffree),
	}, nil
}

// birth is when the root directory was made.
func birth(path string) time.Time {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BTIME, &st); err != nil || st.Mask&unix.STATX_BTIME == 0 {
		return time.Time{}
	}
	return time.Unix(st.Btime.Sec, int64(st.Btime.Nsec))
}

// extentOf asks the file system itself: xfs by its own call, ext4 by its superblock, which the kernel
// keeps in the cache through which the device is read.
func (s *system) extentOf(m mount, dev string) (extent, error) {
	if m.fs == "xfs" {
		return xfsExtent(m.point)
	}
	block, err := s.readDevice(m.number, dev, extAt, extLength)
	if err != nil {
		return extent{}, fmt.Errorf("read how large the file system at %s is: %w", m.point, err)
	}
	return parseExt(block)
}

// readDevice reads from a device, if it is the one with that number; the number "" is any.
func (s *system) readDevice(number, name string, at int64, length int) ([]byte, error) {
	f, err := os.Open(s.path("dev", node(name)))
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w (run engramd as root)", err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (does the sandbox of engramd's unit hide devices? deploy/systemd/volume.conf shows them)", err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	if is := fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)); number != "" && is != number {
		return nil, fmt.Errorf("/dev/%s is device %s, not %s", name, is, number)
	}
	b := make([]byte, length)
	n, err := f.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

// xfsGeometry is struct xfs_fsop_geom_v1 of the kernel's xfs_fs.h.
type xfsGeometry struct {
	BlockSize, _, _, _, _, _, _, _ uint32
	DataBlocks                     uint64
	_                              [72]byte
}

// xfsGeometryCall is XFS_IOC_FSGEOMETRY_V1: _IOR('X', 100, struct xfs_fsop_geom_v1).
const xfsGeometryCall = 2<<30 | unsafe.Sizeof(xfsGeometry{})<<16 | 'X'<<8 | 100

func xfsExtent(path string) (extent, error) {
	f, err := os.Open(path)
	if err != nil {
		return extent{}, err
	}
	defer f.Close()
	var g xfsGeometry
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), xfsGeometryCall, uintptr(unsafe.Pointer(&g))); errno != 0 {
		return extent{}, fmt.Errorf("read how large the xfs at %s is: %w", path, errno)
	}
	block := int64(g.BlockSize)
	return extent{Bytes: int64(g.DataBlocks) * block, Block: block, Most: 1 << 62}, nil
}
