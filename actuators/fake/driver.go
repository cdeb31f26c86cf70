package fake

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// Name is the driver's name in Action.Driver and Target.Specs.
const Name = "fake"

// A Service is what a target runs.
type Service struct {
	// Sizes are what it has at first. A resource that is absent is unset: nobody chose a limit.
	Sizes policy.Size
	// Restart holds the resources that this platform changes by recreating the container only.
	Restart []policy.Resource
	// Load is what it would use if nothing limited it, from moment to moment; nil is idle.
	Load func(now time.Time) Load
	// Recreated is how containers behave that a restart creates: "" well, "unhealthy" or "crash".
	Recreated string
	// StartFor is how long a container takes to become healthy.
	StartFor time.Duration
	// Allowed are the processors that it could have; nil is not known, and then none can be chosen.
	Allowed policy.IDs
}

// A container is one run of a service.
type container struct {
	id         string
	name       string
	configured policy.Size
	effective  policy.Size
	high       policy.Quantity // the first half of a memory limit; see steps.go
	running    bool
	startedAt  time.Time
	restarts   int64
	oom        bool
	behaviour  string
}

type service struct {
	Service
	containers []*container // in order of creation
	limits     []limits     // since the beginning, for the meter
	oomKills   []time.Time
	restarts   []time.Time
	held       maintenance
}

// limits are what bound a service from a moment on.
type limits struct {
	since  time.Time
	up     bool
	cpu    policy.Quantity
	memory policy.Quantity
}

// A Driver is the platform. The zero value is not usable; see [New].
type Driver struct {
	mu       sync.Mutex
	services map[string]*service
	serial   int
	faults   []*Fault
	calls    map[string]int
}

// New returns a platform without services.
func New() *Driver {
	return &Driver{services: map[string]*service{}, calls: map[string]int{}}
}

// Add starts a service.
func (d *Driver) Add(name string, s Service) {
	d.mu.Lock()
	defer d.mu.Unlock()
	sv := &service{Service: s}
	d.services[name] = sv
	c := d.create(sv, name, s.Sizes)
	c.running = true
	sv.remember(name)
}

func (d *Driver) create(sv *service, name string, sizes policy.Size) *container {
	d.serial++
	c := &container{
		id: fmt.Sprintf("c%d", d.serial), name: name, startedAt: time.Now(),
		configured: clone(sizes), effective: clone(sizes), high: sizes[policy.Memory],
	}
	sv.containers = append(sv.containers, c)
	return c
}

func clone(s policy.Size) policy.Size {
	out := policy.Size{}
	maps.Copy(out, s)
	return out
}

// Target returns the target for a service.
func Target(name string) policy.Target {
	return policy.Target{Name: name, Specs: map[string]any{Name: &Spec{Service: name}}}
}

// Spec is the fake's section of a target.
type Spec struct {
	Service string `yaml:"service" json:"service"`
}

func nameOf(t policy.Target) string {
	if s, ok := t.Specs[Name].(*Spec); ok && s.Service != "" {
		return s.Service
	}
	return t.Name
}

// Resources implements [actuators.Driver].
func (d *Driver) Resources() []policy.Resource {
	return []policy.Resource{policy.CPU, policy.Memory, policy.CPUs, policy.ThreadsSpreading, policy.TiersHotThreshold, policy.Storage, policy.EvictNow}
}

// Observe implements [actuators.Driver].
func (d *Driver) Observe(ctx context.Context, t policy.Target) (actuators.State, error) {
	var st actuators.State
	err := d.faulty(ctx, "observe", "", func() error {
		sv, c := d.find(nameOf(t))
		if c == nil {
			return fmt.Errorf("%w: no container is called %s", actuators.ErrNotFound, nameOf(t))
		}
		raw, err := json.Marshal(before{ID: c.id, Sizes: c.configured, Restart: sv.Restart})
		if err != nil {
			return err
		}
		st.Parts = []actuators.Part{{
			ID: c.id, Name: c.name, StartedAt: c.startedAt, Running: c.running, Healthy: sv.health(c),
			Restarts: c.restarts, OOMKilled: c.oom, Configured: clone(c.configured), Effective: shown(c), Raw: raw,
		}}
		if sv.Allowed != nil {
			allow(&st.Parts[0], sv.Allowed)
		}
		return nil
	})
	return st, err
}

// allow shows a part on a host whose processors can be chosen: it may run on all of them until some are.
func allow(p *actuators.Part, cpus policy.IDs) {
	p.Allowed = cpus
	if _, chosen := p.Configured[policy.CPUs]; !chosen {
		p.Configured[policy.CPUs] = policy.Quantity{}
		p.Effective[policy.CPUs] = policy.Unlimited()
	}
}

// shown is what the platform shows of a container: every resource it knows, unset as unlimited.
func shown(c *container) policy.Size {
	out := clone(c.effective)
	for _, res := range []policy.Resource{policy.CPU, policy.Memory} {
		if out[res].IsUnset() {
			out[res] = policy.Unlimited()
		}
	}
	return out
}

// health is the platform's own health check.
func (sv *service) health(c *container) string {
	switch {
	case c.behaviour == "unhealthy":
		return "unhealthy"
	case sv.StartFor > 0 && time.Since(c.startedAt) < sv.StartFor:
		return "starting"
	}
	return "healthy"
}

// find returns the container that bears a service's name.
func (d *Driver) find(name string) (*service, *container) {
	sv := d.services[name]
	if sv == nil {
		return nil, nil
	}
	for _, c := range sv.containers {
		if c.name == name {
			return sv, c
		}
	}
	return sv, nil
}

func (sv *service) byID(id string) *container {
	i := slices.IndexFunc(sv.containers, func(c *container) bool { return c.id == id })
	if i < 0 {
		return nil
	}
	return sv.containers[i]
}

// Set changes a service behind engramd's back, as a person would.
func (d *Driver) Set(name string, res policy.Resource, q policy.Quantity) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if sv, c := d.find(name); c != nil {
		c.configured[res], c.effective[res] = q, q
		if res == policy.Memory {
			c.high = q
			sv.squeeze(c)
		}
		sv.remember(name)
	}
}

// Drift changes what holds without what is configured, as a daemon-reload does.
func (d *Driver) Drift(name string, res policy.Resource, q policy.Quantity) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if sv, c := d.find(name); c != nil {
		c.effective[res] = q
		sv.remember(name)
	}
}

// Crash restarts a service's container by itself.
func (d *Driver) Crash(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if sv, c := d.find(name); c != nil {
		sv.crash(c)
	}
}

func (sv *service) crash(c *container) {
	c.restarts++
	c.startedAt = time.Now()
	sv.restarts = append(sv.restarts, c.startedAt)
}

// Stop stops a service's container, Remove removes it: somebody did it by hand.
func (d *Driver) Stop(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if sv, c := d.find(name); c != nil {
		c.running = false
		sv.remember(name)
	}
}

// Remove removes a service's container, whatever it does.
func (d *Driver) Remove(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if sv, c := d.find(name); c != nil {
		sv.containers = slices.DeleteFunc(sv.containers, func(o *container) bool { return o == c })
		sv.remember(name)
	}
}

// Recreate replaces a service's container by a new one of the same size, as compose does.
func (d *Driver) Recreate(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if sv, c := d.find(name); c != nil {
		sv.containers = slices.DeleteFunc(sv.containers, func(o *container) bool { return o == c })
		d.create(sv, name, c.configured).running = true
		sv.remember(name)
	}
}

// Sizes returns what holds for a service now.
func (d *Driver) Sizes(name string) policy.Size {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, c := d.find(name); c != nil {
		return shown(c)
	}
	return nil
}

// Check reports whether exactly one container of a service runs, under its name, with no limit half
// applied, and, once finished, whether it is the only one.
func (d *Driver) Check(name string, finished bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	sv, c := d.find(name)
	running := 0
	for _, o := range sv.containers {
		if o.running {
			running++
		}
	}
	switch {
	case c == nil:
		return fmt.Errorf("no container is called %s", name)
	case running != 1 || !c.running:
		return fmt.Errorf("%d containers of %s run, and the one of that name runs: %t", running, name, c.running)
	case c.high != c.effective[policy.Memory]:
		return fmt.Errorf("the memory of %s is half applied: high %s, max %s", name, c.high, c.effective[policy.Memory])
	case finished && len(sv.containers) != 1:
		return fmt.Errorf("%d containers of %s are left", len(sv.containers), name)
	}
	return nil
}

// Running counts the running containers of a service: never two.
func (d *Driver) Running(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, c := range d.services[name].containers {
		if c.running {
			n++
		}
	}
	return n
}

// remember notes what limits the service from now on.
func (sv *service) remember(name string) {
	l := limits{since: time.Now()}
	i := slices.IndexFunc(sv.containers, func(c *container) bool { return c.running })
	if i >= 0 {
		c := sv.containers[i]
		l.up, l.cpu, l.memory = true, c.effective[policy.CPU], c.effective[policy.Memory]
	}
	sv.limits = append(sv.limits, l)
	slices.SortStableFunc(sv.limits, func(a, b limits) int { return cmp.Compare(a.since.UnixNano(), b.since.UnixNano()) })
}
