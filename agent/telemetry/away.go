package telemetry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// awayAtOnce bounds how many parts on other hosts are asked after at the same time.
const awayAtOnce = 8

// isAway reports whether a part has no process and no cgroup on this host.
func isAway(p actuators.Part) bool { return p.PID == 0 && p.Cgroup == "" }

// An away is what is known of a part on another host.
type away struct {
	measurement
	err error
}

// measureAway asks the platform for the use of the parts that run on other hosts, all of them within
// the time that one look at the platform may take. The result is by the part's id.
func (c *collector) measureAway(ctx context.Context, parts []actuators.Part, ids func(actuators.Part) []string) map[string]away {
	c.mu.Lock()
	measure := c.target.Measure
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		free = make(chan struct{}, awayAtOnce)
		all  = map[string]away{}
	)
	for _, p := range parts {
		if !isAway(p) || !p.Running {
			continue
		}
		measure := measure
		if measure == nil && c.threadsOf(p) != nil {
			measure = unmeasured // but its threads can be looked at
		}
		if measure == nil {
			mu.Lock()
			all[p.ID] = away{measurement: measurement{samples: elsewhere(p, ids(p))}}
			mu.Unlock()
			continue
		}
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			one := c.measureOneAway(ctx, p, ids(p), measure)
			mu.Lock()
			defer mu.Unlock()
			all[p.ID] = one
		})
	}
	wg.Wait()
	return all
}

// unmeasured knows nothing of a part's use.
func unmeasured(context.Context, actuators.Part) (cgroup.Stats, error) { return cgroup.Stats{}, nil }

// measureOneAway asks for one part. What cannot be measured has at least the limits that the platform
// knows of.
func (c *collector) measureOneAway(ctx context.Context, p actuators.Part, ids []string, measure func(context.Context, actuators.Part) (cgroup.Stats, error)) away {
	at := time.Now()
	st, err := measure(ctx, p)
	if err != nil {
		return away{measurement{samples: elsewhere(p, ids)}, fmt.Errorf("measure %s on its host: %w", p.Name, err)}
	}
	setUnknown(&st.CPU.EffectiveLimit, p.Effective[policy.CPU])
	setUnknown(&st.Memory.EffectiveLimit, p.Effective[policy.Memory])
	// With another start its counters begin again, as those of another group. Of the host it is on, no
	// more is known than its limits say.
	group := cgroup.Group{Path: "away/" + p.ID + "/" + p.StartedAt.UTC().Format(time.RFC3339Nano)}
	before, _ := c.ring.newest(p.ID)
	m := measured(at, p, group, st, &cgroup.Capacity{}, before, ids)
	if t := c.threadsOf(p); t != nil {
		m.threads(t, ids)
		m.network(c.root, t.pid, ids)
	}
	return away{measurement: m}
}

func setUnknown(q *policy.Quantity, platform policy.Quantity) {
	if q.IsUnset() {
		*q = platform
	}
}
