package replay

import "math"

// Measures tell how well a limit followed the demand. Percentages are numbers of per cent.
type Measures struct {
	// Slack is the part of the limits that was not used: sum(max(0, limit-demand)) / sum(limit).
	Slack float64 `json:"slack"`
	// Unmet is the part of the demand above the limit: sum(max(0, demand-limit)) / sum(demand).
	Unmet float64 `json:"unmet"`
	// Over is the part of the time in which demand was above the limit.
	Over float64 `json:"over"`
	// ActionsPerDay is the number of changes a day.
	ActionsPerDay float64 `json:"actions_per_day"`
	// WeightedSlack is the slack of each minute weighted by its demand: how much stood idle while
	// there was work.
	WeightedSlack float64 `json:"weighted_slack"`
}

func measure(t Trace, limits []float64, actions int) Measures {
	var limit, demand, idle, unmet, over, weighted float64
	for i, d := range t.Demand {
		l := limits[i]
		free := math.Max(0, l-d)
		limit, demand = limit+l, demand+d
		idle, unmet = idle+free, unmet+math.Max(0, d-l)
		weighted += d * free / l
		if d > l {
			over++
		}
	}
	return Measures{
		Slack: percent(idle, limit), Unmet: percent(unmet, demand), Over: percent(over, float64(len(limits))),
		ActionsPerDay: float64(actions) / t.Days(), WeightedSlack: percent(weighted, demand),
	}
}

// percent of nothing is nothing.
func percent(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * part / whole
}

// Mean returns the mean of each measure over ms: each trace counts the same.
func Mean(ms []Measures) Measures {
	var sum Measures
	n := float64(max(1, len(ms)))
	for _, m := range ms {
		sum.Slack += m.Slack / n
		sum.Unmet += m.Unmet / n
		sum.Over += m.Over / n
		sum.ActionsPerDay += m.ActionsPerDay / n
		sum.WeightedSlack += m.WeightedSlack / n
	}
	return sum
}
