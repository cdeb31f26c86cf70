package threads

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Workers are a [Pool], whatever its workers keep.
type Workers interface {
	Shape(n int, cores CPUs) error
	Stats() PoolStats
}

// Options of Threads. Spreading and Consolidation are needed; zero values of the others are defaults.
type Options struct {
	Spreading     Workers
	Consolidation Workers
	// CPULimit returns how many cores the quota of the control group allows, zero for no quota; nil: there is none.
	CPULimit func() (float64, error)
	// Memory is the policy in force, for Stats.
	Memory MemoryPolicy
	Logger *slog.Logger
	// SetAffinity binds a thread (0: the calling one); sched_setaffinity.
	SetAffinity func(tid int, cpus CPUs) error
}

// Threads divides the cores of this process. Its methods may be called from any goroutine.
type Threads struct {
	opts Options
	all  CPUs // what the process may use

	mu       sync.Mutex
	settings Settings
	rest     CPUs // the mask in force of all threads that are no workers; nil: none
	unpinned string
	procs    int // that we set; 0: Go does
}

// New looks which cores the process may use, and changes nothing.
func New(opts Options) (*Threads, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.Logger = opts.Logger.With("component", "threads")
	if opts.SetAffinity == nil {
		opts.SetAffinity = setAffinity
	}
	all, err := Allowed()
	if err != nil {
		return nil, err
	}
	return &Threads{opts: opts, all: all}, nil
}

// Apply puts settings in force while everything runs. After an error the former ones are.
func (t *Threads) Apply(s Settings) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, err := s.layout(t.all, t.goProcs())
	if err != nil {
		return err
	}
	before, unpinned := t.layoutNow(), t.unpinned
	if err := t.apply(l, s.Unpinned); err != nil {
		if undo := t.apply(before, true); undo != nil {
			err = fmt.Errorf("%w; and back: %w", err, undo)
		}
		t.unpinned = unpinned
		return err
	}
	t.settings = s
	t.setProcs()
	return nil
}

// layoutNow is what is in force.
func (t *Threads) layoutNow() layout {
	s, c := t.opts.Spreading.Stats(), t.opts.Consolidation.Stats()
	return layout{spreading: s.Cores, consolidation: c.Cores, rest: t.rest, spreaders: s.Workers, consolidators: c.Workers}
}

// apply masks the others first: a thread that is started then has the mask, until it is bound itself.
func (t *Threads) apply(l layout, unpinned bool) error {
	t.unpinned = ""
	if err := t.mask(l.rest); err != nil {
		if !unpinned {
			return fmt.Errorf("threading: %w", err)
		}
		t.unpinned = err.Error()
	}
	return errors.Join(t.opts.Spreading.Shape(l.spreaders, l.spreading), t.opts.Consolidation.Shape(l.consolidators, l.consolidation))
}

// mask binds all threads that are no workers, to all cores for nil.
func (t *Threads) mask(rest CPUs) error {
	if slices.Equal(rest, t.rest) {
		return nil
	}
	workers := map[int]bool{}
	for _, pool := range []Workers{t.opts.Spreading, t.opts.Consolidation} {
		for _, p := range pool.Stats().Pinned {
			workers[p.Thread] = true
		}
	}
	to := rest
	if len(rest) == 0 {
		to = t.all
	}
	if err := maskOthers(t.opts.SetAffinity, to, workers); err != nil {
		return errors.Join(err, maskOthers(t.opts.SetAffinity, t.all, workers))
	}
	t.rest = slices.Clone(rest)
	return nil
}

// setProcs sets GOMAXPROCS where Go would be misled or was told otherwise, and leaves it to Go elsewhere.
func (t *Threads) setProcs() {
	switch {
	case t.settings.GOMAXPROCS > 0:
		t.procs = t.settings.GOMAXPROCS
	case len(t.rest) > 0:
		t.procs = t.goProcs()
	case t.procs == 0:
		return
	default:
		t.procs = 0
		if n := environmentProcs(); n > 0 {
			runtime.GOMAXPROCS(n)
		} else {
			runtime.SetDefaultGOMAXPROCS()
		}
		return
	}
	if runtime.GOMAXPROCS(0) != t.procs {
		runtime.GOMAXPROCS(t.procs)
	}
}

// environmentProcs is what the environment says, zero for nothing.
func environmentProcs() int {
	n, err := strconv.Atoi(os.Getenv("GOMAXPROCS"))
	if err != nil {
		return 0
	}
	return max(0, n)
}

// goProcs is Go's own rule: the environment, else the cores, and not more than the quota, but at least two of it.
func (t *Threads) goProcs() int {
	if n := environmentProcs(); n > 0 {
		return n
	}
	if t.opts.CPULimit == nil {
		return len(t.all)
	}
	quota, err := t.opts.CPULimit()
	if err != nil {
		t.opts.Logger.Debug("the quota cannot be read: GOMAXPROCS follows the cores alone", "error", err)
	}
	if err != nil || quota <= 0 {
		return len(t.all)
	}
	return min(len(t.all), max(2, int(math.Ceil(quota))))
}

// Run follows the quota of the control group until ctx ends, as Go does while no mask is in force.
func (t *Threads) Run(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			t.mu.Lock()
			t.setProcs()
			t.mu.Unlock()
		}
	}
}

// Close gives all cores back to the threads that are no workers, and GOMAXPROCS to Go. The pools are closed by whose they are.
func (t *Threads) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.mask(nil)
	t.settings.GOMAXPROCS = 0
	t.setProcs()
	return err
}

// Settings returns what is in force.
func (t *Threads) Settings() Settings {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.settings
}

// Stats are what the node shows of its threads.
type Stats struct {
	Settings      Settings     `json:"settings"`
	Spreading     PoolStats    `json:"spreading"`
	Consolidation PoolStats    `json:"consolidation"`
	GOMAXPROCS    int          `json:"gomaxprocs"`
	Topology      Topology     `json:"topology"`
	Memory        MemoryPolicy `json:"memory_policy"`
	// Masks is how many threads of the process are allowed which cores, as the kernel tells.
	Masks map[string]int `json:"thread_masks"`
	// Unpinned is why the API is not kept to its cores; empty if it is.
	Unpinned string `json:"unpinned,omitempty"`
}

// Stats reads the machine and the threads. What cannot be read is left out, and named in the error.
func (t *Threads) Stats() (Stats, error) {
	t.mu.Lock()
	s := Stats{Settings: t.settings, Memory: t.opts.Memory, Unpinned: t.unpinned}
	t.mu.Unlock()
	s.Spreading, s.Consolidation = t.opts.Spreading.Stats(), t.opts.Consolidation.Stats()
	s.GOMAXPROCS = runtime.GOMAXPROCS(0)
	topology, err := ReadTopology("")
	s.Topology = topology
	s.Topology.Allowed = t.all
	tasks, taskErr := Tasks("/")
	s.Masks = map[string]int{}
	for _, cpus := range tasks {
		s.Masks[cpus.String()]++
	}
	return s, errors.Join(err, taskErr)
}
