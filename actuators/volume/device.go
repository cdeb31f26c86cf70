package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// sector is what /sys counts in, whatever the disk's own sectors are.
const sector = 512

// A device is a block device as /sys shows it, and the disk that it is on.
type device struct {
	Name      string `json:"name"`                // of the device: vdb1
	Disk      string `json:"disk"`                // of the disk that it is, or is a partition of: vdb
	Partition int    `json:"partition,omitempty"` // its number; 0 is a whole disk
	Start     int64  `json:"start,omitempty"`     // of the partition, in bytes
	Length    int64  `json:"length"`              // of the device, in bytes
	DiskBytes int64  `json:"disk_bytes"`
	// Next is the partition that begins after this one, "" if this is the last.
	Next string `json:"next,omitempty"`
	// Serial is what the disk calls itself; a volume of EBS its id, on instances where it is NVMe.
	Serial string `json:"serial,omitempty"`
	// Not says what is between the file system and its disk.
	Not string `json:"not,omitempty"`
}

// device reads what /sys knows of a device number.
func (s *system) device(number string) (device, error) {
	dir, err := filepath.EvalSymlinks(s.path("sys/dev/block", number))
	if errors.Is(err, fs.ErrNotExist) {
		return device{}, fmt.Errorf("%w: no block device of this host has number %s (a network, memory or btrfs file system, or a container that does not see /sys)", errNoDevice, number)
	}
	if err != nil {
		return device{}, fmt.Errorf("read the device %s: %w", number, err)
	}
	d := device{Name: filepath.Base(dir), Disk: filepath.Base(dir)}
	if d.Length, err = size(dir); err != nil {
		return device{}, err
	}
	d.DiskBytes = d.Length
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		if err := d.onDisk(dir); err != nil {
			return device{}, err
		}
		dir = filepath.Dir(dir)
	}
	d.Not = layered(dir, d)
	d.Serial = serial(dir)
	return d, nil
}

var errNoDevice = errors.New("it is on no block device")

// onDisk completes a partition.
func (d *device) onDisk(dir string) error {
	number, err := count(filepath.Join(dir, "partition"))
	if err != nil {
		return err
	}
	start, err := count(filepath.Join(dir, "start"))
	if err != nil {
		return err
	}
	disk := filepath.Dir(dir)
	d.Partition, d.Start, d.Disk = int(number), start*sector, filepath.Base(disk)
	if d.DiskBytes, err = size(disk); err != nil {
		return err
	}
	entries, err := os.ReadDir(disk)
	if err != nil {
		return err
	}
	for _, e := range entries {
		other, err := count(filepath.Join(disk, e.Name(), "start"))
		if err == nil && other*sector > d.Start {
			d.Next = e.Name()
		}
	}
	return nil
}

// layered says why a device is none that can simply grow, "" if it is.
func layered(dir string, d device) string {
	if uuid, err := os.ReadFile(filepath.Join(dir, "dm", "uuid")); err == nil {
		kind, _, _ := strings.Cut(strings.TrimSpace(string(uuid)), "-")
		switch kind {
		case "LVM":
			return fmt.Sprintf("%s is a logical volume, and which of its group's disks should grow is not engramd's to choose: run lvextend --resizefs", d.Name)
		case "CRYPT":
			return fmt.Sprintf("%s is encrypted: run cryptsetup resize, then grow the file system by hand", d.Name)
		}
		return fmt.Sprintf("%s is made by the device mapper (%s): grow it by hand", d.Name, kind)
	}
	if _, err := os.Stat(filepath.Join(dir, "md")); err == nil {
		return fmt.Sprintf("%s is a software RAID: run mdadm --grow, then grow the file system by hand", d.Name)
	}
	if _, err := os.Stat(filepath.Join(dir, "bcache")); err == nil {
		return fmt.Sprintf("%s is a bcache device: grow it by hand", d.Name)
	}
	return ""
}

// serial is the serial number of a disk, "" if it tells none.
func serial(disk string) string {
	for _, name := range []string{"device/serial", "serial"} {
		if text, err := os.ReadFile(filepath.Join(disk, name)); err == nil {
			return strings.TrimSpace(string(text))
		}
	}
	return ""
}

func size(dir string) (int64, error) {
	n, err := count(filepath.Join(dir, "size"))
	return n * sector, err
}

// count reads a file with a number in it. Sectors times their size must fit.
func count(file string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n < 0 || n > (1<<62)/sector {
		return 0, fmt.Errorf("%s: want a number, got %.40q", file, text)
	}
	return n, nil
}

// rescan asks the disk's driver to look at its size again, where a driver has to be asked. That it has
// no such file is usual.
func (s *system) rescan(d device) {
	for _, name := range []string{"device/rescan", "device/rescan_controller"} {
		if f, err := os.OpenFile(s.path("sys/block", d.Disk, name), os.O_WRONLY, 0); err == nil {
			_, _ = f.WriteString("1\n")
			_ = f.Close()
		}
	}
}
