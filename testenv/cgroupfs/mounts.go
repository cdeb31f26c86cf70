package cgroupfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Mount is one mounted cgroup hierarchy.
type Mount struct {
	Root        string   // the cgroup that is seen at Point
	Point       string   // where it is mounted
	Controllers []string // of a version 1 hierarchy; empty for version 2
	V2          bool
}

// Mounts lists the cgroup hierarchies that this process can see.
func Mounts() ([]Mount, error) {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list the cgroup mounts: %w", err)
	}
	return parseMounts(string(content)), nil
}

// parseMounts picks the cgroup lines from the text of /proc/PID/mountinfo, whose fields proc(5) describes.
func parseMounts(mountinfo string) []Mount {
	var mounts []Mount
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 3 {
			continue
		}
		m := Mount{Root: left[3], Point: left[4]}
		switch right[0] {
		case "cgroup2":
			m.V2 = true
		case "cgroup":
			m.Controllers = strings.Split(right[2], ",")
		default:
			continue
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// has tells whether the hierarchy carries a controller, by its name in /proc/PID/cgroup.
func (m Mount) has(controller string) bool {
	if controller == unified {
		return m.V2
	}
	return slices.Contains(m.Controllers, controller)
}

// dir translates a cgroup's path into a directory. A container sees its own cgroup as the mount's root.
func (m Mount) dir(path string) string {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(m.Root, "/"))
	if !ok || strings.HasPrefix(path, "/..") {
		return m.Point
	}
	return filepath.Join(m.Point, rest)
}

// OfContainer finds the group that a container runtime named after a container's id: the id itself (cgroupfs driver) or
// docker-ID.scope (systemd driver). The first twelve digits are enough.
func OfContainer(id string) (Group, error) {
	if len(id) < 12 {
		return Group{}, fmt.Errorf("find the cgroup of container %q: give at least 12 digits of its id", id)
	}
	mounts, err := Mounts()
	if err != nil {
		return Group{}, err
	}
	g := Group{dirs: map[string]string{}}
	for _, m := range mounts {
		dir, ok := m.find(id)
		if !ok {
			continue
		}
		if m.V2 {
			g.dirs[unified] = dir
		}
		for _, controller := range m.Controllers {
			g.dirs[controller] = dir
		}
	}
	if len(g.dirs) == 0 {
		return Group{}, fmt.Errorf("find the cgroup of container %s: %w (is it running?)", id, fs.ErrNotExist)
	}
	return g, nil
}

// find walks one hierarchy. Groups come and go while it walks, so what vanishes is skipped.
func (m Mount) find(id string) (dir string, ok bool) {
	err := filepath.WalkDir(m.Point, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil
		}
		name := strings.TrimSuffix(strings.TrimPrefix(entry.Name(), "docker-"), ".scope")
		if strings.HasPrefix(name, id) {
			dir = path
			return fs.SkipAll
		}
		return nil
	})
	return dir, dir != "" && (err == nil || errors.Is(err, fs.SkipAll))
}
