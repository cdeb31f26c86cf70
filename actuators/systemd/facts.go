package systemd

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// facts is what planning needs to know of a unit: all of it observed, since planning does no I/O.
type facts struct {
	Unit       string `json:"unit"`
	User       bool   `json:"user,omitempty"`
	Runtime    bool   `json:"runtime,omitempty"`
	Transient  bool   `json:"transient,omitempty"`
	Active     string `json:"active"`
	Sub        string `json:"sub"`
	Running    bool   `json:"running"`
	Invocation string `json:"invocation,omitempty"`
	Cgroup     string `json:"cgroup,omitempty"`
	// Owner is the platform that the unit belongs to, if not systemd alone.
	Owner string `json:"owner,omitempty"`
	// Self says that engramd itself runs in the unit.
	Self       bool     `json:"self,omitempty"`
	Startable  bool     `json:"startable,omitempty"`
	Dependents []string `json:"dependents,omitempty"`
	StopWithin int64    `json:"stop_within_ms,omitempty"`
	// Closed says why files cannot be written, "" if they can.
	Closed string `json:"closed,omitempty"`
	// Pending says that unit files were changed and not loaded.
	Pending bool `json:"pending,omitempty"`

	V2            bool             `json:"v2,omitempty"`
	Controllers   []string         `json:"controllers,omitempty"` // that units of this manager can have; nil: not known
	Topology      policy.Topology  `json:"topology"`
	CPUs          policy.IDs       `json:"cpus,omitempty"` // that the unit's parents leave it
	CPUCeiling    policy.Quantity  `json:"cpu_ceiling"`
	MemoryCeiling policy.Quantity  `json:"memory_ceiling"`
	Layers        map[string]layer `json:"layers"`
	Control       string           `json:"control"` // directories, see places
	Own           string           `json:"own"`
}

// factsOf gathers what systemd and the files say.
func (d *Driver) factsOf(s Spec, u unit, a about) (facts, error) {
	p := placesOf(s, u.Transient)
	f := facts{
		Unit: u.Name, User: s.User, Runtime: !s.Persistent || u.Transient, Transient: u.Transient, Active: u.Active, Sub: u.Sub,
		Running: u.running(), Invocation: u.Invocation, Cgroup: u.Cgroup, Owner: ownerOf(u.Name),
		Startable: u.CanStart && u.CanStop, Dependents: u.Dependents, StopWithin: u.StopWithin.Milliseconds(),
		Pending: u.NeedReload, Control: p.control, Own: p.own,
	}
	if f.Owner == "" && strings.HasPrefix(u.Cgroup, "/kubepods") {
		f.Owner = "Kubernetes"
	}
	if self, err := cgroup.Find(d.files.root, os.Getpid()); err == nil && u.Cgroup != "" {
		f.Self = within(self.Path, u.Cgroup)
	}
	f.V2, f.Controllers = d.controllers(a)
	for _, dir := range []string{p.control, p.own} {
		if f.Closed == "" {
			f.Closed = d.files.writable(filepath.Join(dir, u.Name+".d"))
		}
	}
	found, err := d.files.survey(u, a)
	if err != nil {
		return f, err
	}
	f.Layers, err = d.files.layers(u, p, found)
	return f, err
}

// within reports whether a group is another one or below it.
func within(group, above string) bool {
	return group == above || strings.HasPrefix(group, strings.TrimSuffix(above, "/")+"/")
}

// controllers are those that units of a manager can have, and whether they are in the v2 hierarchy.
func (d *Driver) controllers(a about) (v2 bool, names []string) {
	root := filepath.Join(d.files.root, "sys/fs/cgroup")
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
		return false, nil
	}
	text, err := os.ReadFile(filepath.Join(root, a.Cgroup, "cgroup.controllers"))
	if err != nil {
		return true, nil
	}
	return true, append([]string{}, strings.Fields(string(text))...)
}

// lacks reports whether units of this manager cannot have a controller.
func (f facts) lacks(controller string) bool {
	return f.V2 && f.Controllers != nil && !slices.Contains(f.Controllers, controller)
}

// stats reads the unit's group and the processors of the one above it.
func (d *Driver) stats(group string) (s cgroup.Stats, above policy.IDs, ok bool) {
	if group == "" {
		return s, nil, false
	}
	g, err := cgroup.At(d.files.root, group)
	if err == nil {
		s, err = g.Read()
	}
	if err != nil {
		d.log.Debug("cgroup not read", "cgroup", group, "error", err)
		return s, nil, false
	}
	if parent, err := cgroup.At(d.files.root, path.Dir(group)); err == nil {
		if p, err := parent.Read(); err == nil {
			above = p.Cpuset.CPUs
		}
	}
	return s, above, true
}
