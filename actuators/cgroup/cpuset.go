package cgroup

import (
	"path/filepath"

	"github.com/engramd/engramd/policy"
)

// A Set is a set of CPUs or of memory nodes, ascending. A nil Set is not known.
type Set = policy.IDs

// ParseSet reads the kernel's list format: "0-3,8".
func ParseSet(s string) (Set, error) { return parseSet("set", []byte(s)) }

func parseSet(name string, text []byte) (Set, error) {
	set, err := policy.ParseIDs(string(text))
	if err != nil {
		return nil, place{name, 1}.fault("%v", err)
	}
	return set, nil
}

func (g Group) readCpuset(r *reader, c *Cpuset) {
	d, ok := g.in("cpuset")
	if !ok {
		return
	}
	cpus := func(d dir) Set { return r.set(d, "cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus") }
	mems := func(d dir) Set { return r.set(d, "cpuset.mems.effective", "cpuset.effective_mems", "cpuset.mems") }
	c.CPUs, c.Mems = cpus(d), mems(d)
	if len(d.path) > len(d.top) {
		d.path = filepath.Dir(d.path)
		c.CPUsAbove, c.MemsAbove = cpus(d), mems(d)
	}
}

// set reads the first of the v2, newer v1 and older v1 names that holds a set. In v2 a group without
// the controller has its parent's.
func (r *reader) set(d dir, v2 string, v1 ...string) Set {
	names := v1
	if d.v2 {
		names = []string{v2}
	}
	for {
		for _, name := range names {
			if s, ok := value(r, d, name, parseSet); ok && len(s) > 0 {
				return s
			}
		}
		if len(d.path) <= len(d.top) {
			return nil
		}
		d.path = filepath.Dir(d.path)
	}
}
