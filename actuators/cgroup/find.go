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

// unified is the name of the v2 hierarchy among the directories of a [Group]; the others are named
// by their v1 controller.
const unified = ""

// controllers are the v1 controllers that are read.
var controllers = []string{"cpu", "cpuacct", "memory", "cpuset", "blkio", "pids"}

// A Group is one control group, found in every hierarchy that is mounted.
type Group struct {
	// Path is the group's path below the root of its hierarchy: the v2 one, else the CPU
	// controller's.
	Path string
	// V2 says that limits and use are read from the v2 hierarchy.
	V2 bool

	dirs map[string]dir // by v1 controller, or unified
}

// A dir is where the files of a group are in one hierarchy.
type dir struct {
	path string // the group's directory
	top  string // the topmost directory above it that can be seen
	v2   bool
}

// Find resolves the process to its group. Root is where proc and sys are, "/" but for tests. It
// wraps [fs.ErrNotExist] if the process or its group is gone.
func Find(root string, pid int) (Group, error) {
	name := filepath.Join(root, "proc", strconv.Itoa(pid), "cgroup")
	text, err := readFile(name)
	if err != nil {
		return Group{}, fmt.Errorf("find cgroup of process %d: %w", pid, err)
	}
	members, err := parseMemberships(name, text)
	if err != nil {
		return Group{}, fmt.Errorf("find cgroup of process %d: %w", pid, err)
	}
	g, err := resolve(filepath.Join(root, "proc/self/mountinfo"), root, members)
	if err == nil {
		return g, nil
	}
	if g, ok := seenByItself(root, pid, members); ok {
		return g, nil
	}
	return Group{}, fmt.Errorf("find cgroup of process %d: %w", pid, err)
}

// seenByItself resolves a process in another namespace of control groups, such as that of the next
// container of a pod, by what is mounted where it is: its root can be entered by who may trace it.
func seenByItself(root string, pid int, members []membership) (Group, bool) {
	own := filepath.Join(root, "proc", strconv.Itoa(pid))
	g, err := resolve(filepath.Join(own, "mountinfo"), filepath.Join(own, "root"), members)
	return g, err == nil
}

// At resolves the group that has the same path in every hierarchy, as container engines and systemd
// make them.
func At(root, path string) (Group, error) {
	members := []membership{{path: path}}
	members = append(members, membership{controllers: controllers, path: path})
	g, err := resolve(filepath.Join(root, "proc/self/mountinfo"), root, members)
	if err != nil {
		return Group{}, fmt.Errorf("find cgroup %s: %w", path, err)
	}
	return g, nil
}

// resolve finds the group among the mounts that are listed in the file name, whose points are below root.
func resolve(name, root string, members []membership) (Group, error) {
	text, err := readFile(name)
	if err != nil {
		return Group{}, err
	}
	mounts, err := parseMountinfo(name, text)
	if err != nil {
		return Group{}, err
	}
	g := Group{dirs: make(map[string]dir)}
	paths, faults := make(map[string]string), make(map[string]error)
	for _, m := range members {
		for _, name := range m.hierarchies() {
			d, err := locate(root, mounts, name, m.path)
			paths[name], faults[name] = m.path, err
			if d.path != "" {
				g.dirs[name] = d
			}
		}
	}
	if err := g.settle(paths, faults); err != nil {
		return Group{}, err
	}
	return g, nil
}

// hierarchies names those of m's that are read.
func (m membership) hierarchies() []string {
	if len(m.controllers) == 0 {
		return []string{unified}
	}
	return slices.DeleteFunc(slices.Clone(m.controllers), func(c string) bool { return !slices.Contains(controllers, c) })
}

// locate finds the directory of a group among the mounts of its hierarchy. A hierarchy that is not
// mounted has none, and that is no fault.
func locate(root string, mounts []mount, controller, group string) (dir, error) {
	group, removed := strings.CutSuffix(group, " (deleted)")
	if removed {
		return dir{}, fmt.Errorf("group %s was removed: %w", group, fs.ErrNotExist)
	}
	var mounted, missing bool
	for _, m := range slices.Backward(mounts) {
		if !m.has(controller) {
			continue
		}
		mounted = true
		below, ok := within(m.root, group)
		if !ok {
			continue
		}
		top := filepath.Join(root, m.point)
		d := dir{path: filepath.Join(top, below), top: top, v2: m.v2}
		if _, err := os.Stat(d.path); err == nil {
			return d, nil
		}
		missing = true
	}
	switch {
	case missing:
		return dir{}, fmt.Errorf("group %s was removed: %w", group, fs.ErrNotExist)
	case mounted:
		return dir{}, fmt.Errorf("group %s is not visible in any mounted hierarchy: run engramd on the host, or in its cgroup namespace (--cgroupns=host) with /sys/fs/cgroup mounted", group)
	}
	return dir{}, nil
}

// within returns what is left of group below root, and whether it is below it at all.
func within(root, group string) (string, bool) {
	if !strings.Contains(root+group, "..") { // of another namespace the kernel writes ways up, and these must agree
		root, group = path.Clean(root), path.Clean(group)
	}
	root = strings.TrimSuffix(root, "/")
	below, ok := strings.CutPrefix(group, root)
	if !ok || below != "" && below[0] != '/' {
		return "", false
	}
	if slices.Contains(strings.Split(below, "/"), "..") {
		return "", false
	}
	return below, true
}

// settle decides which hierarchy answers for what, and names the group. A group without the files
// of its CPU or memory controller is not this group; one without others is only seen less of.
func (g *Group) settle(paths map[string]string, faults map[string]error) error {
	if err := errors.Join(faults["cpu"], faults["memory"]); err != nil {
		return err
	}
	_, cpu := g.dirs["cpu"]
	_, memory := g.dirs["memory"]
	g.V2 = !cpu && !memory
	switch {
	case cpu:
		g.Path = paths["cpu"]
	case memory:
		g.Path = paths["memory"]
	case faults[unified] != nil:
		return faults[unified]
	case len(g.dirs) == 0:
		return errors.New("no cgroup hierarchy is mounted: mount /sys/fs/cgroup")
	default:
		g.Path = paths[unified]
	}
	// In a hybrid the v2 directory may be that of a parent: then its pressure is not this group's.
	if !g.V2 && (paths[unified] != g.Path || g.Path == "/") {
		delete(g.dirs, unified)
	}
	return nil
}

// in returns the group's directory for a v1 controller, or the v2 directory where that controller is
// not a v1 hierarchy of its own.
func (g Group) in(controller string) (dir, bool) {
	if d, ok := g.dirs[controller]; ok {
		return d, true
	}
	d, ok := g.dirs[unified]
	return d, ok
}
