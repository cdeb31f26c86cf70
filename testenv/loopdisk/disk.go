// Package loopdisk makes disks that grow, for tests on a host of their own: loop devices over sparse files,
// with a partition table or without, and a mounted file system that fills them.
package loopdisk

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/engramd/engramd/testenv"
)

// A Disk belongs to one test and goes with it.
type Disk struct {
	Device string // such as /dev/loop0
	Source string // what is mounted: the device or its partition
	Point  string // where, with a space in its name
	file   string
}

// Run runs a command that must succeed, and returns what it wrote.
func Run(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// New makes a disk of that size. label names its partition table (gpt, dos), "" is none; fs is ext4 or xfs,
// which wants 300 MiB at least.
func New(t testing.TB, fs, label string, bytes int64) *Disk {
	t.Helper()
	testenv.Need(t, "host")
	dir := t.TempDir()
	d := &Disk{file: filepath.Join(dir, "disk"), Point: filepath.Join(dir, "a mount")}
	if err := errors.Join(os.WriteFile(d.file, nil, 0o600), os.Truncate(d.file, bytes), os.Mkdir(d.Point, 0o755)); err != nil {
		t.Fatal(err)
	}
	d.Device = Run(t, "losetup", "--find", "--show", "--partscan", d.file)
	t.Cleanup(func() { Run(t, "losetup", "--detach", d.Device) })
	d.Source = d.Device
	if label != "" {
		d.partition(t, label)
	}
	Run(t, "mkfs."+fs, "-q", d.Source)
	Run(t, "mount", "-t", fs, d.Source, d.Point)
	t.Cleanup(func() { Run(t, "umount", d.Point) })
	return d
}

func (d *Disk) partition(t testing.TB, label string) {
	t.Helper()
	cmd := exec.Command("sfdisk", "--quiet", d.Device)
	cmd.Stdin = strings.NewReader("label: " + label + "\n,\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v: %s", err, out)
	}
	d.Source += "p1"
	testenv.Eventually(t, 10*time.Second, d.Source+" is there", func() bool {
		_, err := os.Stat(d.Source)
		return err == nil
	})
}

// Grow makes the disk larger while it is in use, as a cloud or a hypervisor does.
func (d *Disk) Grow(t testing.TB, bytes int64) {
	t.Helper()
	if err := os.Truncate(d.file, bytes); err != nil {
		t.Fatal(err)
	}
	Run(t, "losetup", "--set-capacity", d.Device)
}

// Room is how large the file system is, and how much of it is available, as df shows them.
func (d *Disk) Room(t testing.TB) (size, available int64) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(d.Point, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Blocks) * st.Bsize, int64(st.Bavail) * st.Bsize
}
