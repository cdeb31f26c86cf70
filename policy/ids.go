package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxID bounds the members of a set: the kernel's own bound on processors is 8192.
const maxID = 1 << 16

// IDs is a set of processors, or of memory nodes, by their numbers, ascending and each once. A nil set
// is not known.
type IDs []int

// ParseIDs reads the kernel's list format: "0-3,8". What is not ascending is put in order.
func ParseIDs(s string) (IDs, error) {
	set := IDs{}
	list := strings.TrimSpace(s)
	if list == "" {
		return set, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			to = from
		}
		lo, err1 := strconv.ParseUint(from, 10, 31)
		hi, err2 := strconv.ParseUint(to, 10, 31)
		if err1 != nil || err2 != nil || lo > hi || hi >= maxID || len(set) > maxID {
			return nil, fmt.Errorf("want a list as in 0-3,8, got %.40q", part)
		}
		for n := lo; n <= hi; n++ {
			set = append(set, int(n))
		}
	}
	slices.Sort(set)
	return slices.Compact(set), nil
}

// String writes the kernel's list format.
func (s IDs) String() string {
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

// Has reports whether n is in s.
func (s IDs) Has(n int) bool {
	_, found := slices.BinarySearch(s, n)
	return found
}

// And returns what is in both sets.
func (s IDs) And(o IDs) IDs { return s.where(o.Has) }

// Or returns what is in one of the sets.
func (s IDs) Or(o IDs) IDs {
	both := slices.Concat(IDs{}, s, o)
	slices.Sort(both)
	return slices.Compact(both)
}

// Without returns what is in s and not in o.
func (s IDs) Without(o IDs) IDs { return s.where(func(n int) bool { return !o.Has(n) }) }

func (s IDs) where(keep func(int) bool) IDs {
	kept := IDs{}
	for _, n := range s {
		if keep(n) {
			kept = append(kept, n)
		}
	}
	return kept
}

// IDs returns the processors of a quantity that is a set, ascending; nil for any other.
func (q Quantity) IDs() IDs {
	list, ok := q.Set()
	if !ok {
		return nil
	}
	ids, err := ParseIDs(list)
	if err != nil {
		return nil
	}
	return ids
}

// Quantity is the set as a quantity of [CPUs].
func (s IDs) Quantity() Quantity { return Set(s.String()) }
