package replay

import "time"

// A Trace is a recorded demand.
type Trace struct {
	Name  string
	Start time.Time
	// Demand is in cores, one value a minute from Start on.
	Demand []float64
	// Notes say what of the recording was not taken as it stands, and where.
	Notes []string
}

// Days is the length of the trace.
func (t Trace) Days() float64 { return float64(len(t.Demand)) / (24 * 60) }

// Mean is the mean demand.
func (t Trace) Mean() float64 {
	var sum float64
	for _, d := range t.Demand {
		sum += d
	}
	return sum / float64(max(1, len(t.Demand)))
}
