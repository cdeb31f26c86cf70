package cgroup

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxMember bounds the members of a set: the kernel's own bound on CPUs is 8192.
const maxMember = 1 << 16

// A Set is a set of CPUs or of memory nodes, ascending. A nil Set is not known.
type Set []int

// ParseSet reads the kernel's list format: "0-3,8".
func ParseSet(s string) (Set, error) { return parseSet("set", []byte(s)) }

func parseSet(name string, text []byte) (Set, error) {
	at := place{name, 1}
	set := Set{}
	list := strings.TrimSpace(string(text))
	if list == "" {
		return set, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		lo, err1 := strconv.ParseUint(from, 10, 31)
		hi, err2 := strconv.ParseUint(to, 10, 31)
		if err1 != nil || err2 != nil || lo > hi || hi >= maxMember || len(set) > maxMember {
			return nil, at.fault("want a list as in 0-3,8, got %.40q", part)
		}
		for n := lo; n <= hi; n++ {
			set = append(set, int(n))
		}
	}
	slices.Sort(set)
	return slices.Compact(set), nil
}

// String writes the kernel's list format.
func (s Set) String() string {
	var b strings.Builder
	for i := 0; i < len(s); {
		j := i
		for j+1 < len(s) && s[j+1] == s[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(s[i]))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(s[j]))
		}
		i = j + 1
	}
	return b.String()
}

func (g Group) readCpuset(r *reader, c *Cpuset) {
	d, ok := g.in("cpuset")
	if !ok {
		return
	}
	c.CPUs = r.set(d, "cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
	c.Mems = r.set(d, "cpuset.mems.effective", "cpuset.effective_mems", "cpuset.mems")
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
