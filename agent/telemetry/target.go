package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// observeTimeout bounds one look at a target's platform; half an interval bounds it, too.
const observeTimeout = 5 * time.Second

// A collector reads one target. Its ring outlives reloads.
type collector struct {
	name   string
	root   string // where proc and sys are
	log    *slog.Logger
	m      *metrics
	writer *writer
	ring   ring

	mu       sync.Mutex
	target   Target
	parts    []actuators.Part          // as last observed
	groups   map[groupKey]cgroup.Group // of these parts
	threads  map[groupKey]*threads     // of their processes
	topology policy.Topology           // without nodes until it was read
	// runtimes are what runs in them.
	runtimes map[groupKey]inside
	busy     bool // a reading is under way
	blind    bool // the last reading saw nothing
	sight    condition
	faults   condition
}

type groupKey struct {
	id  string
	pid int
}

func newCollector(target Target, root string, s *store, log *slog.Logger) *collector {
	return &collector{name: target.Name, root: root, log: log, m: s.m, writer: newWriter(s), target: target,
		groups: map[groupKey]cgroup.Group{}, threads: map[groupKey]*threads{}}
}

// begin reports whether a reading may begin; a target that does not answer has one at most.
func (c *collector) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ok := !c.busy
	c.busy = true
	return ok
}

func (c *collector) perPart() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.target.PerPart
}

func (c *collector) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
}

// collect takes one reading of the target and stores it.
func (c *collector) collect(ctx context.Context) error {
	defer c.end()
	parts, observed := c.observe(ctx)
	c.detect(parts)
	several := c.perPart() || len(parts) > 1
	var samples []sample
	var errs []error
	at := time.Now()
	read := 0
	idsOf := func(p actuators.Part) []string {
		ids := []string{"target", c.name}
		if several {
			ids = append(ids, "pod", p.Name)
		}
		return ids
	}
	elsewhere := c.measureAway(ctx, parts, idsOf)
	for _, p := range parts {
		one := elsewhere[p.ID]
		if !isAway(p) {
			one.measurement, one.err = c.measureAs(p, idsOf(p))
		}
		if one.err != nil {
			errs = append(errs, one.err)
		}
		if len(one.samples) > 0 {
			samples = append(samples, one.samples...)
			read++
		}
		if !one.at.IsZero() {
			c.ring.add(p.ID, one.reading)
		}
	}
	own, err := c.gauges(ctx)
	samples, errs = append(samples, own...), append(errs, err)
	up := 0.0
	if read > 0 {
		up, observed = 1, nil
	}
	samples = append(samples, sample{"engramd_target_up", up, []string{"target", c.name}})
	c.writer.write(ctx, at, samples)
	err = errors.Join(append(errs, observed)...)
	if read == 0 && err == nil {
		err = errors.New("no part of it is running")
	}
	c.tell(ctx, read > 0, err)
	return err
}

// observe asks the platform for the target's parts. While the platform does not answer, the parts it
// named last are taken: their cgroups can still be read, and say when a part has ended.
func (c *collector) observe(ctx context.Context) ([]actuators.Part, error) {
	c.mu.Lock()
	observe := c.target.Observe
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	state, err := observe(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		if errors.Is(err, actuators.ErrNotFound) {
			c.parts = nil
		}
		return slices.Clone(c.parts), fmt.Errorf("observe: %w", err)
	}
	c.parts = slices.Clone(state.Parts)
	for key := range c.groups {
		if !slices.ContainsFunc(c.parts, func(p actuators.Part) bool { return keyOf(p) == key }) {
			delete(c.groups, key)
		}
	}
	for key := range c.threads {
		if !slices.ContainsFunc(c.parts, func(p actuators.Part) bool { return keyOf(c.placed(p)) == key }) {
			delete(c.threads, key)
		}
	}
	return slices.Clone(c.parts), nil
}

func keyOf(p actuators.Part) groupKey { return groupKey{p.ID, p.PID} }

// measure reads one part, for the Meter.
func (c *collector) measure(ctx context.Context, p actuators.Part) (measurement, bool) {
	if isAway(p) {
		one := c.measureAway(ctx, []actuators.Part{p}, func(actuators.Part) []string { return nil })[p.ID]
		return one.measurement, !one.at.IsZero()
	}
	m, _ := c.measureAs(p, nil)
	return m, len(m.samples) > 0
}

// measureAs reads the cgroup of one part. A group that is gone is looked up again at the next reading.
func (c *collector) measureAs(p actuators.Part, ids []string) (measurement, error) {
	g, err := c.group(p)
	if err != nil {
		return measurement{}, fmt.Errorf("find the cgroup of %s: %w", p.Name, err)
	}
	var host *cgroup.Capacity
	capacity, hostErr := cgroup.HostCapacity(c.root)
	if hostErr == nil {
		host = &capacity
	}
	at := time.Now()
	st, err := g.Read()
	if errors.Is(err, fs.ErrNotExist) {
		c.mu.Lock()
		delete(c.groups, keyOf(p))
		c.mu.Unlock()
		return measurement{}, fmt.Errorf("the cgroup of %s is gone: %w", p.Name, err)
	}
	if err != nil {
		err = fmt.Errorf("read the cgroup of %s: %w", p.Name, err)
	}
	before, _ := c.ring.newest(p.ID)
	m := measured(at, p, g, st, host, before, ids)
	m.threads(c.threadsOf(p), ids)
	m.network(c.root, p.PID, ids)
	if hostErr != nil {
		return m, errors.Join(err, hostErr)
	}
	numa, numaErr := c.numa(g, st, ids)
	m.samples = append(m.samples, numa...)
	return m, errors.Join(err, numaErr)
}

func (c *collector) group(p actuators.Part) (cgroup.Group, error) {
	c.mu.Lock()
	g, ok := c.groups[keyOf(p)]
	c.mu.Unlock()
	if ok {
		return g, nil
	}
	var err error
	if p.PID != 0 {
		g, err = cgroup.Find(c.root, p.PID)
	} else {
		g, err = cgroup.At(c.root, p.Cgroup)
	}
	if err != nil {
		return g, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.groups[keyOf(p)] = g
	return g, nil
}

// tell logs once a change how much of the target can be seen.
func (c *collector) tell(ctx context.Context, seen bool, err error) {
	c.mu.Lock()
	c.blind = !seen
	c.mu.Unlock()
	switch {
	case !seen:
		if c.sight.became(err) {
			c.log.WarnContext(ctx, "target cannot be measured: its signals are unknown until it can", "target", c.name, "error", err)
		}
	case c.sight.became(nil):
		c.log.InfoContext(ctx, "target is measured again", "target", c.name)
	}
	if !seen {
		err = nil // said above
	}
	if c.faults.became(err) && err != nil {
		c.log.WarnContext(ctx, "some of a target cannot be read", "target", c.name, "error", err)
	}
}

func (c *collector) isBlind() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blind
}
