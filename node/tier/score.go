package tier

import (
	"math"
	"time"

	"github.com/engramd/engramd/node/record"
)

// HalfLife is the time in which an activation halves.
const HalfLife = 24 * time.Hour

// A score orders memories: log2(activation at the last access) + time of that access / half-life, in steps of 1/65,536: 1.3 s
// of a day.
type score int64

const (
	scoreOne   = 1 << 16         // one half-life
	neverScore = score(-1 << 40) // of what has no activation at all
	lowest     = score(math.MinInt64)
	highest    = score(math.MaxInt64)
)

func scoreOf(activation float64, at time.Time) score {
	if activation <= 0 {
		return neverScore
	}
	t := float64(at.UnixMilli()) / float64(HalfLife.Milliseconds())
	return max(neverScore+1, score(math.Round((math.Log2(activation)+t)*scoreOne)))
}

// threshold returns the least score whose activation at now is not below x.
func threshold(x float64, now time.Time) score {
	if x <= 0 {
		return lowest
	}
	return scoreOf(x, now)
}

// activation returns the activation of a score at now.
func (s score) activation(now time.Time) float64 {
	if s <= neverScore {
		return 0
	}
	t := float64(now.UnixMilli()) / float64(HalfLife.Milliseconds())
	return min(1, math.Exp2(float64(s)/scoreOne-t))
}

// Activation returns the activation at now of a memory whose last access was a.
func Activation(a record.Access, now time.Time) float64 {
	x := float64(a.Activation) * math.Exp2(-float64(a.Age(now))/float64(HalfLife))
	return min(1, x)
}

// FirstAccess is the access of a memory that was never accessed: it was remembered.
func FirstAccess(v record.Value) record.Access {
	return record.Access{Activation: 1, LastAt: v.CreatedAt()}
}
