package sizing

import (
	"fmt"
	"math"

	"github.com/engramd/engramd/policy/capacity"
)

// A Projection is what a workload needs after some days of growth.
type Projection struct {
	Days     int               `json:"days"`
	Estimate capacity.Estimate `json:"estimate"`
}

// projected are the days that Project looks at.
var projected = []int{30, 90, 180, 365}

// maxDays is how far ahead an end is looked for.
const maxDays = 20 * 365

// Growth is how a workload grows, and what there is for it. What is zero is not bounded.
type Growth struct {
	MemoriesPerDay float64
	Memory, Disk   float64 // bytes
}

// An Exhaustion is when something will be used up, by the estimate. A nil number of days is never, as far
// as twenty years.
type Exhaustion struct {
	Resource string  `json:"resource"`
	Bytes    float64 `json:"bytes"`
	Days     *int    `json:"days"`
}

// Project estimates w as it grows, and finds when what there is will not do.
func Project(m capacity.Model, w capacity.Workload, g Growth) ([]Projection, []Exhaustion, error) {
	if !(g.MemoriesPerDay >= 0) || math.IsInf(g.MemoriesPerDay, 0) || g.Memory < 0 || g.Disk < 0 {
		return nil, nil, fmt.Errorf("%w: memories-per-day, memory and disk: want amounts of 0 or more", capacity.ErrImpossible)
	}
	var list []Projection
	if g.MemoriesPerDay > 0 {
		for _, days := range projected {
			e, err := m.Estimate(grown(w, g, days))
			if err != nil {
				return nil, nil, err
			}
			list = append(list, Projection{days, e})
		}
	}
	var ends []Exhaustion
	for _, limit := range []struct {
		resource string
		bytes    float64
		need     func(capacity.Estimate) int64
	}{
		{"memory", g.Memory, func(e capacity.Estimate) int64 { return e.Memory.Needed }},
		{"disk", g.Disk, func(e capacity.Estimate) int64 { return e.Storage.Needed }},
	} {
		if limit.bytes == 0 {
			continue
		}
		ends = append(ends, Exhaustion{limit.resource, limit.bytes, daysTo(limit.bytes, func(days int) (float64, error) {
			e, err := m.Estimate(grown(w, g, days))
			return float64(limit.need(e)), err
		})})
	}
	return list, ends, nil
}

func grown(w capacity.Workload, g Growth, days int) capacity.Workload {
	w.Memories = math.Trunc(w.Memories + g.MemoriesPerDay*float64(days))
	return w
}

// daysTo is the first day on which need is above limit. An estimate that is beyond every number is, too.
func daysTo(limit float64, need func(days int) (float64, error)) *int {
	above := func(days int) bool {
		n, err := need(days)
		return err != nil || n > limit
	}
	if !above(maxDays) {
		return nil
	}
	low, high := -1, maxDays // the need grows with the days
	for high-low > 1 {
		if mid := (low + high) / 2; above(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return &high
}
