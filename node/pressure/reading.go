package pressure

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
)

// A Bound is one limit on the memory of this process, and what counts against it.
type Bound struct {
	Name       string // GOMEMLIMIT, host, or the path of a control group
	UsedBytes  int64
	LimitBytes int64
}

// Ratio is the used share of the bound.
func (b Bound) Ratio() float64 { return float64(b.UsedBytes) / float64(b.LimitBytes) }

// A Reading is one sample: the bounds that could be read.
type Reading struct {
	Bounds []Bound
}

// Tightest returns the bound that is nearest to its end; false if there is none.
func (r Reading) Tightest() (Bound, bool) {
	var worst Bound
	for i, b := range r.Bounds {
		if i == 0 || b.Ratio() > worst.Ratio() {
			worst = b
		}
	}
	return worst, len(r.Bounds) > 0
}

// LimitBytes returns the least limit, zero if none is known: how much memory this process may have.
func (r Reading) LimitBytes() int64 {
	var least int64
	for _, b := range r.Bounds {
		if least == 0 || b.LimitBytes < least {
			least = b.LimitBytes
		}
	}
	return least
}

// A System reads the memory of this process.
type System struct {
	// Root is where proc and sys are; "/" if empty.
	Root string
	// GoLimit returns GOMEMLIMIT in bytes, math.MaxInt64 for none; the runtime's if nil.
	GoLimit func() int64
}

func (s System) root() string {
	if s.Root == "" {
		return "/"
	}
	return s.Root
}

func (s System) goLimit() int64 {
	if s.GoLimit == nil {
		return debug.SetMemoryLimit(-1) // a negative limit only asks
	}
	return s.GoLimit()
}

// Read takes one sample. A bound that cannot be read is an error, and the reading holds the others.
func (s System) Read() (Reading, error) {
	var r Reading
	groups, kernel, err := s.groups()
	r.Bounds = groups
	own, ownErr := s.ownMemory(kernel)
	err = errors.Join(err, ownErr)
	if ownErr != nil {
		return r, err
	}
	if limit := s.goLimit(); limit > 0 && limit < math.MaxInt64 {
		r.Bounds = append(r.Bounds, Bound{Name: "GOMEMLIMIT", UsedBytes: own, LimitBytes: limit})
	}
	if len(r.Bounds) > 0 || err != nil {
		return r, err
	}
	total, err := s.hostMemory()
	if err != nil {
		return r, err
	}
	r.Bounds = append(r.Bounds, Bound{Name: "host", UsedBytes: own, LimitBytes: total})
	return r, nil
}

// ownMemory is what of this process nobody can take back. The kernel's share is that of its control group where the
// group is known to be limited, else the page tables.
func (s System) ownMemory(kernel int64) (int64, error) {
	name := filepath.Join(s.root(), "proc/self/status")
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	status, err := parseKilobytes(name, text)
	if err != nil {
		return 0, err
	}
	anon, ok := status["RssAnon"]
	if !ok {
		return 0, missing(name, "RssAnon")
	}
	if kernel == 0 {
		kernel = status["VmPTE"]
	}
	return anon + status["RssShmem"] + kernel, nil
}

func (s System) hostMemory() (int64, error) {
	name := filepath.Join(s.root(), "proc/meminfo")
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	info, err := parseKilobytes(name, text)
	if err != nil {
		return 0, err
	}
	if total := info["MemTotal"]; total > 0 {
		return total, nil
	}
	return 0, missing(name, "MemTotal")
}
