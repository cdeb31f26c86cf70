package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// CPULimit returns how many cores the quotas allow, from the group of this process up to the topmost that can be seen; zero if there
// is no quota. Root is where proc and sys are.
func CPULimit(root string) (cores float64, err error) {
	g, err := Find(root, "cpu")
	if err != nil {
		return 0, fmt.Errorf("cpu limit: %w", err)
	}
	for _, dir := range g.Upward() {
		read := quotaV1
		if g.V2 {
			read = quotaV2
		}
		limit, err := read(dir)
		if err != nil {
			return 0, fmt.Errorf("cpu limit of control group %s: %w", dir, err)
		}
		if limit > 0 && (cores == 0 || limit < cores) {
			cores = limit
		}
	}
	return cores, nil
}

// quotaV2 reads cpu.max, "quota period". The topmost group has none.
func quotaV2(dir string) (float64, error) {
	text, err := readFile(dir, "cpu.max")
	if err != nil || text == "" {
		return 0, err
	}
	quota, period, ok := strings.Cut(text, " ")
	if !ok {
		return 0, fmt.Errorf("cpu.max: want a quota and a period, got %.40q", text)
	}
	if quota == "max" {
		return 0, nil
	}
	return share("cpu.max", quota, period)
}

// quotaV1 reads cpu.cfs_quota_us, -1 for none.
func quotaV1(dir string) (float64, error) {
	quota, err := readFile(dir, "cpu.cfs_quota_us")
	if err != nil || quota == "" || quota == "-1" {
		return 0, err
	}
	period, err := readFile(dir, "cpu.cfs_period_us")
	if err != nil {
		return 0, err
	}
	return share("cpu.cfs_quota_us", quota, period)
}

// share divides two numbers of microseconds.
func share(name, quota, period string) (float64, error) {
	q, err1 := strconv.ParseUint(quota, 10, 63)
	p, err2 := strconv.ParseUint(period, 10, 63)
	if err1 != nil || err2 != nil || q == 0 || p == 0 {
		return 0, fmt.Errorf("%s: quota %.40q and period %.40q are not a limit", name, quota, period)
	}
	return float64(q) / float64(p), nil
}

// readFile returns the trimmed text of a file, empty if there is none in a group that is there.
func readFile(dir, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		_, gone := os.Stat(dir)
		return "", gone
	}
	return strings.TrimSpace(string(text)), err
}
