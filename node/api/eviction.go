package api

import (
	"math"
	"net/http"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
)

// An EvictionChange changes eviction settings; what is absent stays as it is.
type EvictionChange struct {
	Enabled           *bool     `json:"enabled,omitempty" desc:"whether sweeps run at their intervals"`
	HotThreshold      *float64  `json:"hot_threshold,omitempty" desc:"evict to warm below this activation; a higher one evicts more"`
	WarmThreshold     *float64  `json:"warm_threshold,omitempty" desc:"evict to cold below this activation"`
	HotMaxRatio       *float64  `json:"hot_max_ratio,omitempty" desc:"the share of all memories that may be hot"`
	WarmMaxRatio      *float64  `json:"warm_max_ratio,omitempty"`
	HotInterval       *Duration `json:"hot_interval,omitempty" desc:"between two sweeps, as 60s"`
	WarmInterval      *Duration `json:"warm_interval,omitempty"`
	HighThreshold     *float64  `json:"high_threshold,omitempty" desc:"memory pressure at which eviction gets harder"`
	CriticalThreshold *float64  `json:"critical_threshold,omitempty" desc:"memory pressure at which everything hot is evicted"`
	HotBytes          *int64    `json:"hot_bytes,omitempty" desc:"heap that copies of hot memories may take"`
	Owner             string    `json:"owner,omitempty" desc:"takes the settings and the sweeps into its own hands; node gives them back"`
	TTL               Duration  `json:"ttl,omitzero" desc:"when the ownership ends, as 10m; never if absent"`
}

// Eviction is the settings in force.
type Eviction struct {
	Enabled           bool      `json:"enabled"`
	HotThreshold      float64   `json:"hot_threshold"`
	WarmThreshold     float64   `json:"warm_threshold"`
	HotMaxRatio       float64   `json:"hot_max_ratio"`
	WarmMaxRatio      float64   `json:"warm_max_ratio"`
	HotInterval       Duration  `json:"hot_interval"`
	WarmInterval      Duration  `json:"warm_interval"`
	HighThreshold     float64   `json:"high_threshold"`
	CriticalThreshold float64   `json:"critical_threshold"`
	HotBytes          int64     `json:"hot_bytes"`
	Owner             string    `json:"owner" desc:"who sweeps: node, or who took the settings"`
	Since             time.Time `json:"since,omitzero" desc:"when the owner took them: what it sets holds as long as it owns them"`
	Until             time.Time `json:"until,omitzero" desc:"when the ownership ends"`
}

// An EvictRequest names memories that are to be evicted whatever their activation.
type EvictRequest struct {
	Space string    `json:"space,omitempty"`
	IDs   []string  `json:"ids,omitempty" desc:"at most 10000; none: all that the settings do not allow where they are"`
	To    tier.Tier `json:"to,omitzero" desc:"warm or cold; of ids"`
	// HotMaxRatio leaves room for what becomes hot next.
	HotMaxRatio *float64 `json:"hot_max_ratio,omitempty" desc:"without ids: the share of all memories that may stay hot this time, if it is less than the settings say"`
}

// An Evicted says what eviction did.
type Evicted struct {
	tier.Swept
	Evicted int `json:"evicted,omitzero" desc:"of ids"`
}

func settingsOf(s tier.Settings) Eviction {
	p := s.Policy
	return Eviction{
		Enabled: p.Enabled, HotThreshold: p.Hot.Threshold, WarmThreshold: p.Warm.Threshold, HotMaxRatio: p.Hot.MaxRatio, WarmMaxRatio: p.Warm.MaxRatio,
		HotInterval: Duration(p.Hot.Every), WarmInterval: Duration(p.Warm.Every), HighThreshold: p.Pressure.High, CriticalThreshold: p.Pressure.Critical,
		HotBytes: s.HotBytes, Owner: s.Owner, Since: s.Since, Until: s.Until,
	}
}

func (x *exchange) eviction() error {
	return x.answer(http.StatusOK, settingsOf(x.api.node.Tiers().Settings()))
}

// changeEviction takes # comments, as the guide writes them.
func (x *exchange) changeEviction() error {
	b, err := x.read(maxAdminBody)
	if err != nil {
		return err
	}
	defer b.release()
	if err := checkMedia(x.r, mediaJSON); err != nil {
		return err
	}
	var in EvictionChange
	if err := decodeBody(stripComments(b.b), &in); err != nil {
		return err
	}
	if err := checkText("owner", in.Owner); err != nil {
		return err
	}
	s, err := x.api.node.Tiers().Change(tier.Change{
		Enabled: in.Enabled, HotThreshold: in.HotThreshold, WarmThreshold: in.WarmThreshold, HotMaxRatio: in.HotMaxRatio, WarmMaxRatio: in.WarmMaxRatio,
		HotEvery: (*time.Duration)(in.HotInterval), WarmEvery: (*time.Duration)(in.WarmInterval), HighThreshold: in.HighThreshold,
		CriticalThreshold: in.CriticalThreshold, HotBytes: in.HotBytes, Owner: in.Owner, TTL: time.Duration(in.TTL),
	})
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, settingsOf(s))
}

func (x *exchange) evictNow() error {
	var in EvictRequest
	if err := x.readJSON(maxListBody, true, &in); err != nil {
		return err
	}
	if len(in.IDs) == 0 {
		ratio := 1.0
		if in.HotMaxRatio != nil {
			ratio = *in.HotMaxRatio
		}
		if math.IsNaN(ratio) || ratio < 0 || ratio > 1 {
			return invalid("hot_max_ratio", "is %v: want 0 to 1", ratio)
		}
		return x.answer(http.StatusOK, Evicted{Swept: x.api.node.Tiers().EvictDownTo(ratio)})
	}
	if in.HotMaxRatio != nil {
		return invalid("hot_max_ratio", "goes without ids")
	}
	if len(in.IDs) > maxEdges {
		return invalid("ids", "are %d; at most %d", len(in.IDs), maxEdges)
	}
	if in.To == 0 {
		in.To = tier.Warm
	}
	space, err := x.space(in.Space)
	if err != nil {
		return err
	}
	s, err := x.api.node.Store().Space(space)
	if err != nil {
		return err
	}
	return x.evict(s, &in)
}

// evict evicts single memories.
func (x *exchange) evict(s *store.Space, in *EvictRequest) error {
	ords := make([]record.Ord, 0, len(in.IDs))
	for _, id := range in.IDs {
		ord, _, ok := s.Lookup(id)
		if !ok {
			return problem(http.StatusNotFound, "no-memory", "there is no memory %.130q", id)
		}
		ords = append(ords, ord)
	}
	out := Evicted{}
	for _, v := range s.Views() {
		if tiers, ok := v.(*tier.View); ok {
			n, err := tiers.Evict(x.ctx(), ords, in.To)
			if err != nil {
				return err
			}
			out.Evicted = n
		}
	}
	return x.answer(http.StatusOK, out)
}
