package snapshot

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/engramd/engramd/node/record"
)

// A Name says when and of which space a snapshot was taken: 20261122T030000Z-default, or 20261122T030000Z-default.2 for the
// second one of that second.
type Name struct {
	At    time.Time // UTC, whole seconds
	Space string
	Nth   int // 1 is the first of its second
}

const stamp = "20060102T150405Z"

var namePattern = regexp.MustCompile(`^(\d{8}T\d{6}Z)-([a-z0-9][a-z0-9_-]{0,62})(?:\.([1-9]\d{0,3}))?$`)

// ParseName reads what [Name.String] wrote, and nothing else: no path can be told with it.
func ParseName(s string) (Name, error) {
	bad := func() (Name, error) {
		return Name{}, &record.InvalidError{Field: "snapshot", Reason: fmt.Sprintf("%.80q is no name of a snapshot, such as 20261122T030000Z-default", s)}
	}
	m := namePattern.FindStringSubmatch(s)
	if m == nil {
		return bad()
	}
	at, err := time.Parse(stamp, m[1])
	if err != nil {
		return bad()
	}
	n := Name{At: at, Space: m[2], Nth: 1}
	if m[3] != "" {
		if n.Nth, err = strconv.Atoi(m[3]); err != nil {
			return bad()
		}
	}
	if n.String() != s {
		return bad()
	}
	return n, nil
}

// String returns the name as people and directories have it.
func (n Name) String() string {
	s := n.At.UTC().Format(stamp) + "-" + n.Space
	if n.Nth > 1 {
		s += "." + strconv.Itoa(n.Nth)
	}
	return s
}
