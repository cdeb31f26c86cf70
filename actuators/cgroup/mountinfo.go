package cgroup

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A mount is one mounted cgroup hierarchy, or a part of one.
type mount struct {
	root        string // which directory of the hierarchy is mounted
	point       string // where
	v2          bool
	controllers []string // of a v1 hierarchy
}

// parseMountinfo returns the cgroup mounts among the lines of a /proc/PID/mountinfo.
func parseMountinfo(name string, text []byte) ([]mount, error) {
	var mounts []mount
	for at, line := range lines(name, text) {
		before, after, ok := strings.Cut(line, " - ")
		if !ok {
			return nil, at.fault("want a separator \" - \", got %.80q", line)
		}
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) < 5 || len(right) < 1 {
			return nil, at.fault("too few fields in %.80q", line)
		}
		if right[0] != "cgroup" && right[0] != "cgroup2" {
			continue
		}
		m := mount{root: Unescape(left[3]), point: Unescape(left[4]), v2: right[0] == "cgroup2"}
		if !m.v2 && len(right) > 2 {
			m.controllers = strings.Split(right[2], ",")
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// has reports whether m shows the hierarchy that controls controller, "" being the v2 one.
func (m mount) has(controller string) bool {
	if controller == "" {
		return m.v2
	}
	return !m.v2 && slices.Contains(m.controllers, controller)
}

// Unescape undoes the kernel's octal escapes of space, tab, newline and backslash.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
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

// A membership is one line of /proc/PID/cgroup.
type membership struct {
	controllers []string // empty for the v2 hierarchy
	path        string
}

// parseMemberships reads a /proc/PID/cgroup.
func parseMemberships(name string, text []byte) ([]membership, error) {
	var all []membership
	for at, line := range lines(name, text) {
		_, rest, ok1 := strings.Cut(line, ":")
		controllers, path, ok2 := strings.Cut(rest, ":")
		if !ok1 || !ok2 || !strings.HasPrefix(path, "/") {
			return nil, at.fault("want id:controllers:/path, got %.80q", line)
		}
		m := membership{path: path}
		if controllers != "" {
			m.controllers = strings.Split(controllers, ",")
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: is empty: this kernel was built without control groups", name)
	}
	return all, nil
}
