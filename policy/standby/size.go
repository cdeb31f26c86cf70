package standby

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/engramd/engramd/policy/capacity"
)

// ErrImpossible is a production that cannot be.
var ErrImpossible = errors.New("impossible production")

// Production is what production has.
type Production struct {
	capacity.Size
	// IndexBytes is what is resident of every memory, hot or not (index_bytes of the node's storage stats). Nil: not known.
	IndexBytes *int64 `json:"index_bytes,omitempty"`
}

// A Plan is a standby.
type Plan struct {
	Class      Class         `json:"class"`
	Size       capacity.Size `json:"size"`
	RTOAtLeast time.Duration `json:"rto_at_least"`
	RTOAtMost  time.Duration `json:"rto_at_most"`
	// GuideCost is the guide's share of production's cost in per cent. CostPercent is that of these sizes at the prices given; it is nil where they do
	// not tell.
	GuideCost   Span           `json:"guide_cost_percent"`
	CostPercent *float64       `json:"cost_percent,omitempty"`
	Cost        *capacity.Cost `json:"cost,omitempty"`
	Warnings    []string       `json:"warnings,omitempty"`
}

// Of sizes a standby of class c for production p. Cores and memory are never more than production's. Prices may be nil.
func Of(c Class, p Production, prices *capacity.Prices) (Plan, error) {
	r, err := RuleOf(c)
	if err != nil {
		return Plan{}, err
	}
	if err := p.validate(); err != nil {
		return Plan{}, err
	}
	plan := Plan{Class: c, RTOAtLeast: r.RTOAtLeast, RTOAtMost: r.RTOAtMost, GuideCost: r.Cost}
	plan.Size = capacity.Size{
		MilliCPU:     amount(p.MilliCPU, r.CPUShare, r.MilliCPU),
		MemoryBytes:  amount(p.MemoryBytes, r.MemoryShare, r.MemoryBytes),
		StorageBytes: share(p.StorageBytes, r.StorageShare),
	}
	plan.fitIndex(p)
	if prices == nil {
		return plan, nil
	}
	if err := prices.Validate(); err != nil {
		return Plan{}, fmt.Errorf("price table: %w", err)
	}
	plan.price(p, *prices)
	return plan, nil
}

func (p Production) validate() error {
	const most = math.MaxInt64 / 2 // so that half as much again fits
	for _, k := range []struct {
		name string
		n    int64
	}{{"cpu", p.MilliCPU}, {"memory", p.MemoryBytes}, {"storage", p.StorageBytes}} {
		if k.n <= 0 || k.n > most {
			return fmt.Errorf("%w: %s: %d is not above 0 and up to %d", ErrImpossible, k.name, k.n, int64(most))
		}
	}
	if p.IndexBytes != nil && (*p.IndexBytes < 0 || *p.IndexBytes > p.MemoryBytes) {
		return fmt.Errorf("%w: index of %d bytes in a memory of %d", ErrImpossible, *p.IndexBytes, p.MemoryBytes)
	}
	return nil
}

// amount is a share of what production has or, where there is none, a fixed amount, and at most production's.
func amount(of int64, part *float64, fixed int64) int64 {
	if part == nil {
		return min(of, fixed)
	}
	return min(of, share(of, *part))
}

// share rounds up, without the error of floats: shares are thousandths.
func share(of int64, part float64) int64 {
	thousandths := int64(math.Round(part * 1000))
	return of/1000*thousandths + (of%1000*thousandths+999)/1000
}

// fitIndex makes room for what has to be resident before a node serves anything.
func (plan *Plan) fitIndex(p Production) {
	if p.IndexBytes == nil {
		return
	}
	need := min(p.MemoryBytes, share(*p.IndexBytes, 1.25))
	if need > plan.Size.MemoryBytes {
		plan.Warnings = append(plan.Warnings, fmt.Sprintf("%d bytes would not hold the index of %d bytes, without which a node does not start: %d with a quarter of room",
			plan.Size.MemoryBytes, *p.IndexBytes, need))
		plan.Size.MemoryBytes = need
	}
}

// price compares with production. A price that is not known makes no share, and neither does a production that is free.
func (plan *Plan) price(p Production, prices capacity.Prices) {
	own, all := prices.OfSize(plan.Size), prices.OfSize(p.Size)
	plan.Cost = &own
	percent := own.Total / all.Total * 100
	if len(own.Missing) > 0 || math.IsInf(percent, 0) || math.IsNaN(percent) {
		return
	}
	plan.CostPercent = &percent
	if percent > plan.GuideCost.To+1e-9 || percent < plan.GuideCost.From-1e-9 {
		plan.Warnings = append(plan.Warnings, fmt.Sprintf("at these prices it costs %.0f %% of production; the guide says %.0f to %.0f %%",
			percent, plan.GuideCost.From, plan.GuideCost.To))
	}
}
