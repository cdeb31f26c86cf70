package threads

import (
	"errors"
	"fmt"
	"slices"
)

// Settings are the guide's threading section, and how many workers there are.
type Settings struct {
	// SpreadingWorkers is how many spreads run at once. 0: as many as there are spreading cores, else as Go uses cores.
	SpreadingWorkers int `json:"spreading_workers"`
	// ConsolidationWorkers is how many parts of consolidation run at once. 0: as many as there are cores for it, else 1.
	ConsolidationWorkers int `json:"consolidation_workers"`

	SpreadingCores     CPUs `json:"spreading_cores"`
	ConsolidationCores CPUs `json:"consolidation_cores"`
	APICores           CPUs `json:"api_cores"` // for everything else

	// PinThreads binds each kind of work to its cores. Without it the lists only say how many workers there are.
	PinThreads bool `json:"pin_threads"`
	// CPUIsolation keeps every kind of work off the cores that are listed for another.
	CPUIsolation bool `json:"cpu_isolation"`
	// Unpinned goes on without binding where the kernel refuses it.
	Unpinned bool `json:"unpinned,omitempty"`

	// GOMAXPROCS is how many threads run Go code at once. 0: Go's own rule, of the cores and the quota of this process.
	GOMAXPROCS int `json:"gomaxprocs"`
}

// A layout is what Settings mean on a machine. Nil cores are not bound.
type layout struct {
	spreading, consolidation, rest CPUs
	spreaders, consolidators       int
}

// layout reports all faults of s at once. All has the cores of the process; procs is what Go uses of them.
func (s Settings) layout(all CPUs, procs int) (layout, error) {
	if err := s.validate(all); err != nil {
		return layout{}, err
	}
	l := layout{spreaders: s.SpreadingWorkers, consolidators: s.ConsolidationWorkers}
	if l.spreaders == 0 {
		l.spreaders = min(or(len(s.SpreadingCores), procs), maxWorkers)
	}
	if l.consolidators == 0 {
		l.consolidators = min(or(len(s.ConsolidationCores), 1), maxWorkers)
	}
	if !s.PinThreads {
		return l, nil
	}
	l.spreading, l.consolidation, l.rest = s.SpreadingCores, s.ConsolidationCores, s.APICores
	if !s.CPUIsolation {
		return l, nil
	}
	// What has no cores of its own gets what nobody has. Where that is none, it shares those of the API.
	left := all.without(s.SpreadingCores, s.ConsolidationCores, s.APICores)
	for _, kind := range []*CPUs{&l.rest, &l.spreading, &l.consolidation} {
		if len(*kind) == 0 && len(left) < len(all) && len(left) > 0 {
			*kind = left
		}
	}
	if len(l.rest) == 0 && len(left) < len(all) {
		return l, fmt.Errorf("threading: cpu_isolation leaves no core of %v for the API: list fewer cores", all)
	}
	return l, nil
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// validate reports everything that is wrong whatever the rest is.
func (s Settings) validate(all CPUs) error {
	var errs []error
	lists := []struct {
		name  string
		cores CPUs
	}{{"spreading_cores", s.SpreadingCores}, {"consolidation_cores", s.ConsolidationCores}, {"api_cores", s.APICores}}
	taken := map[int]string{}
	for _, l := range lists {
		if missing := l.cores.without(all); len(missing) > 0 {
			errs = append(errs, fmt.Errorf("threading: %s: this process may not use %v, only %v", l.name, []int(missing), all))
		}
		for i, core := range l.cores {
			if slices.Contains(l.cores[:i], core) {
				errs = append(errs, fmt.Errorf("threading: %s: core %d is listed twice", l.name, core))
			} else if other, ok := taken[core]; ok && s.CPUIsolation {
				errs = append(errs, fmt.Errorf("threading: core %d is in %s and in %s, and cpu_isolation keeps them apart", core, other, l.name))
			}
			taken[core] = l.name
		}
	}
	if s.CPUIsolation && !s.PinThreads {
		errs = append(errs, errors.New("threading: cpu_isolation needs pin_threads: true"))
	}
	for _, count := range []struct {
		name string
		n    int
	}{{"spreading_workers", s.SpreadingWorkers}, {"consolidation_workers", s.ConsolidationWorkers}, {"gomaxprocs", s.GOMAXPROCS}} {
		if count.n < 0 || count.n > maxWorkers {
			errs = append(errs, fmt.Errorf("threading: %s: %d is outside 0 to %d", count.name, count.n, maxWorkers))
		}
	}
	return errors.Join(errs...)
}
