package pressure

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A hierarchy is where the control group of this process is that counts memory.
type hierarchy struct {
	dir string // of the group; empty: there is none
	top string // the topmost directory above it that can be seen
	v2  bool
}

// upward returns the directories from the group up to the topmost.
func (h hierarchy) upward() []string {
	dirs := []string{h.dir}
	for d := h.dir; d != h.top && len(d) > len(h.top); {
		d = filepath.Dir(d)
		dirs = append(dirs, d)
	}
	return dirs
}

// hierarchy finds the group of this process: v1's memory controller, else v2. A kernel without control groups, or a
// machine that mounts none, has none and that is no error.
func (s System) hierarchy() (hierarchy, error) {
	members, err := s.readLines("proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return hierarchy{}, nil
	}
	if err != nil {
		return hierarchy{}, err
	}
	v1, v2 := memberships(members)
	mounts, err := s.readLines("proc/self/mountinfo")
	if err != nil {
		return hierarchy{}, err
	}
	if v1 != "" {
		h, err := s.locate(mounts, v1, false)
		if h.dir != "" || err != nil {
			return h, err
		}
	}
	if v2 == "" {
		return hierarchy{}, nil
	}
	return s.locate(mounts, v2, true)
}

// memberships returns the paths of the group in v1's memory hierarchy and in v2, empty for none.
func memberships(lines []string) (v1, v2 string) {
	for _, line := range lines {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch controllers := strings.Split(parts[1], ","); {
		case parts[1] == "":
			v2 = parts[2]
		case slices.Contains(controllers, "memory"):
			v1 = parts[2]
		}
	}
	return v1, v2
}

// locate finds the directory of a group among the mounts. Where its hierarchy is not mounted there is none; where it is, but
// does not show the group, nobody knows the limit.
func (s System) locate(mounts []string, group string, v2 bool) (hierarchy, error) {
	mounted := false
	for _, line := range slices.Backward(mounts) {
		root, point, ok := parseMount(line, v2)
		if !ok {
			continue
		}
		mounted = true
		below, ok := within(root, group)
		if !ok {
			continue
		}
		h := hierarchy{top: filepath.Join(s.root(), point), v2: v2}
		h.dir = filepath.Join(h.top, below)
		if _, err := os.Stat(h.dir); err == nil {
			return h, nil
		}
	}
	if mounted {
		return hierarchy{}, fmt.Errorf("control group %s is not visible in any mounted hierarchy: mount /sys/fs/cgroup of its namespace", group)
	}
	return hierarchy{}, nil
}

// parseMount reads a line of mountinfo: which directory of the memory hierarchy is mounted, and where.
func parseMount(line string, v2 bool) (root, point string, ok bool) {
	before, after, _ := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if len(left) < 5 || len(right) < 3 {
		return "", "", false
	}
	switch right[0] {
	case "cgroup2":
		ok = v2
	case "cgroup":
		ok = !v2 && slices.Contains(strings.Split(right[2], ","), "memory")
	}
	return unescape(left[3]), unescape(left[4]), ok
}

// unescape undoes the kernel's octal escapes of space, tab, newline and backslash.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// within returns what is left of group below root, and whether it is below it at all.
func within(root, group string) (string, bool) {
	root, group = strings.TrimSuffix(path.Clean(root), "/"), path.Clean(group)
	below, ok := strings.CutPrefix(group, root)
	if !ok || below != "" && below[0] != '/' || slices.Contains(strings.Split(below, "/"), "..") {
		return "", false
	}
	return below, true
}

func (s System) readLines(name string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(s.root(), name))
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), nil
}
