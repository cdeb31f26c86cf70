package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// Observe reports the size of the disk as configured, and how much of it the file system reaches as
// effective.
func (d *Driver) Observe(ctx context.Context, t policy.Target) (actuators.State, error) {
	spec, err := specOf(t)
	if err != nil {
		return actuators.State{}, err
	}
	f, err := d.look(ctx, spec)
	if err != nil {
		return actuators.State{}, err
	}
	if spec.AWS != (AWS{}) {
		c := d.clouds.seen(ctx, spec.AWS)
		f.Cloud = &c
	}
	return actuators.State{Parts: []actuators.Part{f.part(d.system, spec.AWS.VolumeID)}}, nil
}

// look finds out about the file system and its disk, and nothing of the cloud.
func (d *Driver) look(ctx context.Context, spec Spec) (facts, error) {
	if err := ctx.Err(); err != nil {
		return facts{}, fmt.Errorf("look at %s: %w", spec.Path, context.Cause(ctx))
	}
	text, err := os.ReadFile(d.system.path("proc/self/mountinfo"))
	if err != nil {
		return facts{}, fmt.Errorf("look at what is mounted: %w", err)
	}
	mounts, err := parseMounts(string(text))
	if err != nil {
		return facts{}, err
	}
	m, err := at(mounts, spec.Path)
	if err != nil {
		return facts{}, err
	}
	return d.system.facts(m)
}

// facts completes what is known of a mount.
func (s *system) facts(m mount) (facts, error) {
	f := facts{Path: m.point, Number: m.number, FS: m.fs}
	if f.FS != "ext4" && f.FS != "ext3" && f.FS != "xfs" {
		return f, fmt.Errorf("%w: %s is %s; engramd grows ext4, ext3 and xfs", actuators.ErrRefused, m.point, m.fs)
	}
	var err error
	if f.Device, err = s.device(m.number); err != nil {
		return f, fmt.Errorf("%s: %w", m.point, err)
	}
	if f.Extent, err = s.extent(m, f.Device.Name); err != nil {
		return f, err
	}
	u, err := s.usage(m.point)
	if err != nil {
		return f, err
	}
	f.Free = u.free()
	f.Not = f.Device.Not
	switch {
	case f.Not != "":
	case m.root != "/":
		f.Not = fmt.Sprintf("only %s of its file system is mounted at %s: name the place where all of it is", m.root, m.point)
	case m.readOnly():
		f.Not = fmt.Sprintf("%s is mounted read-only (after an error? see dmesg; by the sandbox of engramd's own unit? ReadWritePaths=)", m.point)
	default:
		f.Not = s.missing(f)
	}
	if f.Device.Partition > 0 {
		f.MBR, err = s.oldTable(f.Device.Disk)
	}
	return f, err
}

// missing says which tool is not there, "" if all are.
func (s *system) missing(f facts) string {
	tools := []string{"resize2fs"}
	if f.FS == "xfs" {
		tools = []string{"xfs_growfs"}
	}
	if f.Device.Partition > 0 {
		tools = append(tools, "growpart", "partx")
	}
	for _, tool := range tools {
		if _, err := s.find(tool); err != nil {
			return fmt.Sprintf("%s is not installed: install %s", tool, packages[tool])
		}
	}
	return ""
}

// oldTable reports whether a disk with partitions has no GUID partition table.
func (s *system) oldTable(disk string) (bool, error) {
	head, err := s.readDevice("", disk, 0, 4096+512)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // the smaller bound
	}
	if err != nil {
		return false, fmt.Errorf("read the partition table of /dev/%s: %w", disk, err)
	}
	return !isGPT(head), nil
}
