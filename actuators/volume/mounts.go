package volume

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
)

// A mount is one line of /proc/self/mountinfo.
type mount struct {
	number  string // of the device, major:minor
	root    string // which directory of the file system is mounted
	point   string
	fs      string
	source  string
	options []string // of the mount and of the file system
}

func (m mount) readOnly() bool { return slices.Contains(m.options, "ro") }

// parseMounts reads a mountinfo.
func parseMounts(text string) ([]mount, error) {
	var all []mount
	for n, line := range strings.Split(text, "\n") {
		if line == "" {
			continue
		}
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 2 || !isNumber(left[2]) {
			return nil, fmt.Errorf("mountinfo:%d: want a mount, got %.80q", n+1, line)
		}
		m := mount{number: left[2], root: cgroup.Unescape(left[3]), point: cgroup.Unescape(left[4]), fs: right[0], source: cgroup.Unescape(right[1])}
		m.options = strings.Split(left[5], ",")
		if len(right) > 2 {
			m.options = append(m.options, strings.Split(right[2], ",")...)
		}
		all = append(all, m)
	}
	return all, nil
}

// isNumber reports whether s is a device number, major:minor.
func isNumber(s string) bool {
	major, minor, ok := strings.Cut(s, ":")
	_, err1 := strconv.ParseUint(major, 10, 32)
	_, err2 := strconv.ParseUint(minor, 10, 32)
	return ok && err1 == nil && err2 == nil
}

// at finds what is mounted at a path; of several mounts the last one hides the others. What is not
// mounted is not found: the directory would be on the file system of its parent.
func at(mounts []mount, path string) (mount, error) {
	for _, m := range slices.Backward(mounts) {
		if m.point == path {
			return m, nil
		}
	}
	return mount{}, fmt.Errorf("%w: nothing is mounted at %s (findmnt shows what is)", actuators.ErrNotFound, path)
}
