package volume

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

const (
	mib = 1 << 20
	gib = 1 << 30
	// slack is what a partition table and alignment may leave of a disk: the backup of a GUID partition
	// table (17 KiB), the MiB that growpart does not bother with, and the last group of a file system
	// that would be too small. A file system that ends within it fills its disk; actuators.Same allows for
	// as much.
	slack = 4 * mib
	// mbrEnd is where a partition in an old (MBR) table must end: 2^32 sectors.
	mbrEnd = sector << 32
)

// facts are what Observe found out about a file system and its disk.
type facts struct {
	Path   string  `json:"path"`
	Number string  `json:"number"` // of the device
	FS     string  `json:"fs"`
	Device device  `json:"device"`
	Extent extent  `json:"extent"` // of the file system on the device
	Free   float64 `json:"free"`   // the share of its room
	// MBR says that the disk has an old partition table.
	MBR bool `json:"mbr,omitempty"`
	// Not says why it cannot grow at all.
	Not string `json:"not,omitempty"`
	// Cloud is what AWS says of the volume, nil where none is named.
	Cloud *cloud `json:"cloud,omitempty"`
}

// reach is how much of its disk the file system reaches, from the disk's beginning: all of it if what
// is left could not be used. It is the storage that a target has.
func (f facts) reach() int64 {
	end := f.Device.Start + f.Extent.Bytes
	if f.Device.DiskBytes-end < slack {
		return f.Device.DiskBytes
	}
	return (end + mib - 1) / mib * mib
}

// behind reports whether the disk has room that the file system does not use.
func (f facts) behind() bool { return f.reach() < f.Device.DiskBytes }

// disk is the disk's name for people and tools.
func (f facts) disk() string { return "/dev/" + node(f.Device.Disk) }

// device is the same of the device that the file system is on.
func (f facts) device() string { return "/dev/" + node(f.Device.Name) }

// node is the name below /dev of a device of /sys, which writes slashes as exclamation marks.
func node(name string) string { return strings.ReplaceAll(name, "!", "/") }

// fills reports whether a file system that reaches to leaves nothing of a disk that could be used.
func fills(to, disk int64) bool { return to <= disk && disk-to < slack }

// part is the one part that a target consists of.
func (f facts) part(s *system, volume string) actuators.Part {
	raw, _ := json.Marshal(f) // plain values
	id := f.Device.Name
	if volume != "" {
		id = volume
	}
	return actuators.Part{
		ID: id, Name: f.Path, StartedAt: s.born(f.Path), Running: true,
		Configured: policy.Size{policy.Storage: policy.Amount(f.Device.DiskBytes)},
		Effective:  policy.Size{policy.Storage: policy.Amount(f.reach())},
		Partial:    []policy.Resource{policy.Storage},
		Raw:        raw,
	}
}

// factsOf returns what Observe found out.
func factsOf(t policy.Target, st actuators.State) (f facts, err error) {
	if len(st.Parts) != 1 {
		return f, fmt.Errorf("%w: %s: want one volume, got %d", actuators.ErrNotFound, t.Name, len(st.Parts))
	}
	if err := json.Unmarshal(st.Parts[0].Raw, &f); err != nil {
		return f, fmt.Errorf("volume: the observed state of %s makes no sense: %w", t.Name, err)
	}
	return f, nil
}

func show(bytes int64) string { return policy.Storage.Format(policy.Amount(bytes)) }
