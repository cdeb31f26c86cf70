package node

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A view is what a node has, as it is kept with a part: plans are made of it. What an older node does not tell is nil.
type view struct {
	Threading threading         `json:"threading"`
	Eviction  eviction          `json:"eviction"`
	Memory    *memory           `json:"memory,omitempty"`
	WAL       *wal              `json:"wal,omitempty"`
	Snapshots *snapshotSettings `json:"snapshots,omitempty"`
}

// Observe asks the node what it has. It is one part, which runs as long as it answers.
func (d *Driver) Observe(ctx context.Context, t policy.Target) (actuators.State, error) {
	c, err := d.reach(t)
	if err != nil {
		return actuators.State{}, err
	}
	h, err := get[health](ctx, c, healthPath)
	sick := errors.Is(err, actuators.ErrTransient)
	if err != nil && !sick {
		return actuators.State{}, notANode(err)
	}
	v, err := c.view(ctx)
	if err != nil {
		return actuators.State{}, err
	}
	p := actuators.Part{
		ID: c.spec.address(), Name: c.spec.address(), StartedAt: h.StartedAt, Running: true, Healthy: "healthy", Raw: encode(v),
		Life: h.StartedAt.Format(time.RFC3339Nano) + " " + v.Eviction.Since.Format(time.RFC3339Nano),
	}
	if sick || h.Status == "damaged" && len(h.Faults) == 0 {
		p.Healthy = "unhealthy"
	}
	p.Configured, p.Effective = v.sizes()
	return actuators.State{Parts: []actuators.Part{p}}, nil
}

// notANode is the error of whatever has no /health as a node has it.
func notANode(err error) error {
	if errors.Is(err, errAbsentEndpoint) {
		return errors.Join(actuators.ErrNotFound, err)
	}
	return err
}

// view asks for everything.
func (c *client) view(ctx context.Context) (v view, err error) {
	if v.Threading, err = get[threading](ctx, c, threadingPath); err != nil {
		return v, notANode(err)
	}
	if v.Eviction, err = get[eviction](ctx, c, evictionPath); err != nil {
		return v, notANode(err)
	}
	if v.Memory, err = perhaps[memory](ctx, c, memoryPath); err != nil {
		return v, err
	}
	if v.WAL, err = perhaps[wal](ctx, c, walPath); err != nil {
		return v, err
	}
	v.Snapshots, err = perhaps[snapshotSettings](ctx, c, keepPath)
	return v, err
}

// perhaps asks for what older nodes do not have; nil then.
func perhaps[T any](ctx context.Context, c *client, path string) (*T, error) {
	v, err := get[T](ctx, c, path)
	switch {
	case errors.Is(err, errAbsentEndpoint):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &v, nil
}

// sizes are what was set, and what holds. A number that the node chooses by itself is what it chose: it is set as soon as it is changed.
func (v view) sizes() (configured, effective policy.Size) {
	configured = policy.Size{
		policy.TiersHotThreshold:  policy.Amount(millionths(v.Eviction.HotThreshold)),
		policy.TiersWarmThreshold: policy.Amount(millionths(v.Eviction.WarmThreshold)),
		policy.TiersHotTierSize:   policy.Amount(v.Eviction.HotBytes),
		policy.CPU:                policy.Amount(1000 * int64(v.Threading.GOMAXPROCS)),

		policy.ThreadsSpreading:     policy.Amount(int64(v.Threading.Spreading.Workers)),
		policy.ThreadsConsolidation: policy.Amount(int64(v.Threading.Consolidation.Workers)),
	}
	if v.Memory != nil {
		configured[policy.Memory] = policy.Unlimited()
		if n := v.Memory.LimitBytes; n != nil {
			configured[policy.Memory] = policy.Amount(*n)
		}
	}
	if v.WAL != nil {
		configured[policy.Retain] = policy.Amount(int64(time.Duration(v.WAL.Retention) / time.Second))
	}
	return configured, maps.Clone(configured)
}

func millionths(x float64) int64 { return int64(math.Round(x * 1e6)) }

func fraction(n int64) float64 { return float64(n) / 1e6 }

// viewOf returns what a plan needs of the part.
func viewOf(st actuators.State) (v view, err error) {
	if len(st.Parts) == 0 {
		return v, errors.New("node: nothing is known of the node yet")
	}
	return v, json.Unmarshal(st.Parts[0].Raw, &v)
}
