package cgroup

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

// A Group is the control group of this process in the hierarchy that one controller is in.
type Group struct {
	Dir string // of the group; empty: there is none
	Top string // the topmost directory above it that can be seen
	V2  bool
}

// Upward returns the directories from the group up to the topmost; none if there is no group.
func (g Group) Upward() []string {
	if g.Dir == "" {
		return nil
	}
	dirs := []string{g.Dir}
	for d := g.Dir; d != g.Top && len(d) > len(g.Top); {
		d = filepath.Dir(d)
		dirs = append(dirs, d)
	}
	return dirs
}

// Find finds the group of this process for a controller such as memory or cpu: v1's, else v2. Root is where proc and sys
// are. A kernel without control groups, or a machine that mounts none, has none and that is no error.
func Find(root, controller string) (Group, error) {
	members, err := readLines(root, "proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return Group{}, nil
	}
	if err != nil {
		return Group{}, err
	}
	v1, v2 := memberships(members, controller)
	mounts, err := readLines(root, "proc/self/mountinfo")
	if err != nil {
		return Group{}, err
	}
	if v1 != "" {
		g, err := locate(root, mounts, v1, controller)
		if g.Dir != "" || err != nil {
			return g, err
		}
	}
	if v2 == "" {
		return Group{}, nil
	}
	return locate(root, mounts, v2, "")
}

// memberships returns the paths of the group in v1's hierarchy of the controller and in v2, empty for none.
func memberships(lines []string, controller string) (v1, v2 string) {
	for _, line := range lines {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch controllers := strings.Split(parts[1], ","); {
		case parts[1] == "":
			v2 = parts[2]
		case slices.Contains(controllers, controller):
			v1 = parts[2]
		}
	}
	return v1, v2
}

// locate finds the directory of a group among the mounts of v1's controller, or of v2 for an empty one. Where its hierarchy is not
// mounted there is none; where it is, but does not show the group, nobody knows the limit.
func locate(root string, mounts []string, group, controller string) (Group, error) {
	mounted := false
	for _, line := range slices.Backward(mounts) {
		from, point, ok := parseMount(line, controller)
		if !ok {
			continue
		}
		mounted = true
		below, ok := within(from, group)
		if !ok {
			continue
		}
		g := Group{Top: filepath.Join(root, point), V2: controller == ""}
		g.Dir = filepath.Join(g.Top, below)
		if _, err := os.Stat(g.Dir); err == nil {
			return g, nil
		}
	}
	if mounted {
		return Group{}, fmt.Errorf("control group %s is not visible in any mounted hierarchy: mount /sys/fs/cgroup of its namespace", group)
	}
	return Group{}, nil
}

// parseMount reads a line of mountinfo: which directory of the controller's hierarchy is mounted, and where.
func parseMount(line, controller string) (root, point string, ok bool) {
	before, after, _ := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if len(left) < 5 || len(right) < 3 {
		return "", "", false
	}
	switch right[0] {
	case "cgroup2":
		ok = controller == ""
	case "cgroup":
		ok = controller != "" && slices.Contains(strings.Split(right[2], ","), controller)
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

func readLines(root, name string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), nil
}
