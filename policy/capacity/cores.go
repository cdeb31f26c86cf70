package capacity

import "math"

// Cores is how many are needed, and how many to give: a number that machines come in.
type Cores struct {
	Reads         float64 `json:"reads"`
	Consolidation float64 `json:"consolidation"`
	Activation    float64 `json:"activation"`
	Needed        float64 `json:"needed"`
	Recommended   int64   `json:"recommended"`
}

func (r *reckoning) cores() Cores {
	m := &r.m
	consolidated := r.hot*r.p.Write*m.ConsolidatedHot.Value + r.w.Memories*m.ConsolidatedAll.Value
	c := Cores{
		Reads:         r.w.OpsPerSec * r.p.Read / m.ReadsPerCore.Value * r.p.CPU,
		Consolidation: consolidated / r.w.ConsolidationInterval / m.ConsolidationPerCore.Value * r.p.CPU,
		Activation:    r.w.OpsPerSec / m.ActivationsPerCore.Value * r.p.CPU,
	}
	c.Needed = c.Reads + c.Consolidation + c.Activation + m.BaseCores.Value
	c.Recommended = r.whole("cores", Step(c.Needed*m.CoresHeadroom.Value))
	if c.Recommended > largestStep {
		r.warn("%d cores are beyond the guide's list, which ends at %d; consider several nodes", c.Recommended, largestStep)
	}
	return c
}

const largestStep = 32

// Step rounds cores up to 2, 4, 8, 16 or 32, as the guide does, and beyond them to whole sixteens.
func Step(cores float64) float64 {
	for s := 2.0; s <= largestStep; s *= 2 {
		if cores <= s {
			return s
		}
	}
	return math.Ceil(cores/16) * 16
}
