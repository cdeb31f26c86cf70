package pressure

// A Level is how urgent memory is.
type Level uint8

// The levels. Unknown is the level before the first sample, and when memory cannot be read.
const (
	Unknown Level = iota
	Calm
	High
	Critical
)

// String returns the level's name in metrics and logs.
func (l Level) String() string {
	switch l {
	case Calm:
		return "calm"
	case High:
		return "high"
	case Critical:
		return "critical"
	}
	return "unknown"
}

// Slack is how far the ratio must fall below a threshold before the level goes down again: without it a ratio that hovers
// at the threshold would evict and fill in turns.
const Slack = 0.05

// next returns the level for a ratio that was at level before.
func next(before Level, ratio float64, t Thresholds) Level {
	switch {
	case ratio >= t.Critical, before == Critical && ratio >= t.Critical-Slack:
		return Critical
	case ratio >= t.High, before >= High && ratio >= t.High-Slack:
		return High
	}
	return Calm
}

// Thresholds are the ratios at which the levels begin.
type Thresholds struct {
	High     float64
	Critical float64
}

// DefaultThresholds are those of the guide's tier_policy.
var DefaultThresholds = Thresholds{High: 0.80, Critical: 0.90}

// Valid tells whether t makes sense: above Slack, in order, at most 1.
func (t Thresholds) Valid() bool {
	return t.High > Slack && t.High <= t.Critical && t.Critical <= 1
}
