package pressure

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/engramd/engramd/node/cgroup"
)

// groups returns a bound for each control group of this process, from its own up, that has a limit; and the
// kernel's memory of its own group if that is limited, else zero.
func (s System) groups() (bounds []Bound, kernel int64, err error) {
	g, err := cgroup.Find(s.root(), "memory")
	if err != nil || g.Dir == "" {
		return nil, 0, err
	}
	h := hierarchy(g)
	var errs []error
	for i, dir := range g.Upward() {
		b, k, err := h.bound(dir, i == 0)
		if err != nil {
			errs = append(errs, fmt.Errorf("memory of control group %s: %w", dir, err))
			continue
		}
		if b.LimitBytes > 0 {
			bounds = append(bounds, b)
		}
		if i == 0 && b.LimitBytes > 0 {
			kernel = k
		}
	}
	return bounds, kernel, errors.Join(errs...)
}

// A hierarchy is where the memory of this process is counted.
type hierarchy cgroup.Group

// bound reads the limit of one group, and what counts against it if there is one.
func (h hierarchy) bound(dir string, own bool) (b Bound, kernel int64, err error) {
	limit, err := readLimit(dir, h.limitFile())
	if err != nil || limit == 0 && (h.V2 || !own) {
		return Bound{}, 0, err
	}
	stat, err := readStat(dir)
	if err != nil {
		return Bound{}, 0, err
	}
	if n, ok := stat["hierarchical_memory_limit"]; ok && own && n < noLimit && (limit == 0 || n < limit) {
		limit = n // the kernel has walked up already, also where a container cannot see its parents
	}
	if limit == 0 {
		return Bound{}, 0, nil
	}
	used, kernel, err := h.used(dir, stat)
	return Bound{Name: dir, UsedBytes: used, LimitBytes: limit}, kernel, err
}

func (h hierarchy) limitFile() string {
	if h.V2 {
		return "memory.max"
	}
	return "memory.limit_in_bytes"
}

// used is what of a group's memory nobody can take back, and the kernel's share of it.
func (h hierarchy) used(dir string, stat map[string]int64) (used, kernel int64, err error) {
	anon, shared := "anon", "shmem"
	if !h.V2 {
		anon, shared = "total_rss", "total_shmem"
	}
	n, ok := stat[anon]
	if !ok {
		return 0, 0, missing(filepath.Join(dir, "memory.stat"), anon)
	}
	if h.V2 {
		kernel = kernelV2(stat)
	} else if kernel, err = kernelV1(dir); err != nil {
		return 0, 0, err
	}
	return n + stat[shared] + kernel, kernel, nil
}

// kernelV2 leaves out what the kernel gives back by itself: entries of directories and inodes, which are a cache
// of files as well.
func kernelV2(stat map[string]int64) int64 {
	if n, ok := stat["kernel"]; ok {
		return max(0, n-stat["slab_reclaimable"])
	}
	// before Linux 5.18
	return stat["kernel_stack"] + stat["pagetables"] + stat["percpu"] + stat["slab_unreclaimable"]
}

// kernelV1 is zero where the kernel's memory is not accounted.
func kernelV1(dir string) (int64, error) {
	name := filepath.Join(dir, "memory.kmem.usage_in_bytes")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return parseBytes(name, string(text))
}

// readLimit returns zero for no limit. The topmost group of v2 has no file of it.
func readLimit(dir, file string) (int64, error) {
	name := filepath.Join(dir, file)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, gone := os.Stat(dir); gone != nil {
			return 0, gone
		}
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return parseLimit(name, text)
}

func readStat(dir string) (map[string]int64, error) {
	name := filepath.Join(dir, "memory.stat")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseStat(name, text)
}
