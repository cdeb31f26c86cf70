package replay

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Static never changes: it gives cores, whatever happens.
func Static(cores float64) Policy { return static(cores) }

type static float64

func (s static) Name() string { return fmt.Sprintf("static %v", float64(s)) }

func (s static) Next(time.Time, float64, float64, bool) (float64, string) {
	return float64(s), "static"
}

// MovingMaximum holds the maximum of the last day + 15%, once that is a fifth below the limit or above
// it, and doubles when throttled.
func MovingMaximum() Policy { return &movingMaximum{} }

type movingMaximum struct{ day hourly }

func (m *movingMaximum) Name() string { return "moving maximum" }

func (m *movingMaximum) Next(at time.Time, used, limit float64, throttled bool) (float64, string) {
	m.day.add(at, used)
	if throttled {
		return 2 * limit, "throttled"
	}
	if want := 1.15 * m.day.max(); want > limit || want < 0.8*limit {
		return want, "maximum of the day + 15%"
	}
	return limit, ""
}

// hourly keeps the maximum of each of the last 24 hours.
type hourly struct {
	hour int64
	top  [24]float64
}

func (h *hourly) add(at time.Time, x float64) {
	hour := at.Unix() / 3600
	for n := max(h.hour+1, hour-23); n <= hour; n++ {
		h.top[(n%24+24)%24] = 0
	}
	h.hour = hour
	now := &h.top[(hour%24+24)%24] // hours before 1970 are negative
	*now = math.Max(*now, x)
}

func (h *hourly) max() float64 { return slices.Max(h.top[:]) }

// Thresholds is the rule of simple autoscalers: one core more above 80% of the limit, one less below
// 20%, never below one.
func Thresholds() Policy { return thresholds{} }

type thresholds struct{}

func (thresholds) Name() string { return "80/20" }

func (thresholds) Next(_ time.Time, used, limit float64, _ bool) (float64, string) {
	switch {
	case used > 0.8*limit:
		return limit + 1, "above 80%"
	case used < 0.2*limit && limit > 1:
		return math.Max(1, limit-1), "below 20%"
	}
	return limit, ""
}

// DailyPercentile is KRR's rule: once a day, the 95th percentile of up to 14 days.
func DailyPercentile() Policy { return &dailyPercentile{} }

type dailyPercentile struct{ history []float64 }

func (p *dailyPercentile) Name() string { return "KRR p95" }

func (p *dailyPercentile) Next(_ time.Time, used, limit float64, _ bool) (float64, string) {
	const day = 24 * 60
	p.history = append(p.history, used)
	if len(p.history)%day != 0 {
		return limit, ""
	}
	sorted := slices.Sorted(slices.Values(p.history[max(0, len(p.history)-14*day):]))
	return sorted[len(sorted)*95/100], "95th percentile of 14 days"
}
