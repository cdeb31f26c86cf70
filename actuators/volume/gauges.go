package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// Gauges measures how full the file system is, and how busy its disk.
func (d *Driver) Gauges(ctx context.Context, t policy.Target) ([]actuators.Gauge, error) {
	spec, err := specOf(t)
	if err != nil {
		return nil, err
	}
	f, err := d.look(ctx, spec)
	if err != nil {
		return nil, err
	}
	u, err := d.system.usage(spec.Path)
	if err != nil {
		return nil, err
	}
	all := []actuators.Gauge{
		{Name: "storage_size_bytes", Value: float64(u.Size)},
		{Name: "storage_used_bytes", Value: float64(u.Used)},
		{Name: "storage_available_bytes", Value: float64(u.Available)},
		{Name: "storage_inodes", Value: float64(u.Inodes)},
		{Name: "storage_inodes_free", Value: float64(u.InodesFree)},
		{Name: "storage_limit_bytes", Value: float64(f.reach())},
		{Name: "storage_device_bytes", Value: float64(f.Device.DiskBytes)},
	}
	io, err := d.system.work(f.Device.Disk)
	return append(all, io...), err
}

// work reads what a disk has done since the host started, as the kernel's
// Documentation/block/stat.rst has it.
func (s *system) work(disk string) ([]actuators.Gauge, error) {
	text, err := os.ReadFile(s.path("sys/block", disk, "stat"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what /dev/%s has done: %w", disk, err)
	}
	return parseWork(string(text))
}

func parseWork(text string) ([]actuators.Gauge, error) {
	fields := strings.Fields(text)
	if len(fields) < 10 {
		return nil, fmt.Errorf("read what a disk has done: want 10 numbers, got %.200q", text)
	}
	number := func(i int) float64 {
		n, _ := strconv.ParseUint(fields[i], 10, 64) // the kernel writes numbers
		return float64(n)
	}
	return []actuators.Gauge{
		{Name: "storage_reads_total", Value: number(0)},
		{Name: "storage_writes_total", Value: number(4)},
		{Name: "storage_busy_seconds_total", Value: number(9) / 1000},
	}, nil
}
