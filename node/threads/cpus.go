package threads

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxMember bounds the members of a list: the kernel's own bound on cores is 8192.
const maxMember = 1 << 16

// CPUs is a set of cores or of memory nodes, ascending. A nil CPUs is not known, or not set.
type CPUs []int

// ParseCPUs reads the kernel's list format: "0-3,8".
func ParseCPUs(s string) (CPUs, error) {
	set := CPUs{}
	list := strings.TrimSpace(s)
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
			return nil, fmt.Errorf("want a list of cores as in 0-3,8, got %.40q", part)
		}
		for n := lo; n <= hi; n++ {
			set = append(set, int(n))
		}
	}
	slices.Sort(set)
	return slices.Compact(set), nil
}

// String writes the kernel's list format.
func (c CPUs) String() string {
	var b strings.Builder
	for i := 0; i < len(c); {
		j := i
		for j+1 < len(c) && c[j+1] == c[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(c[i]))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(c[j]))
		}
		i = j + 1
	}
	return b.String()
}

// without returns what of c is not in others.
func (c CPUs) without(others ...CPUs) CPUs {
	return slices.DeleteFunc(slices.Clone(c), func(cpu int) bool {
		return slices.ContainsFunc(others, func(o CPUs) bool { return slices.Contains(o, cpu) })
	})
}

// mask returns the kernel's form of c.
func (c CPUs) mask() (unix.CPUSetDynamic, error) {
	if len(c) == 0 || c[0] < 0 || slices.Max(c) >= maxMember {
		return nil, fmt.Errorf("cores %v are not a set to run on", []int(c))
	}
	set := unix.NewCPUSet(slices.Max(c) + 1)
	for _, cpu := range c {
		set.Set(cpu)
	}
	return set, nil
}
