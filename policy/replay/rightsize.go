package replay

import (
	"time"

	"github.com/engramd/engramd/policy/rightsize"
)

// Rightsize is the product's own policy, from an empty history.
func Rightsize(o rightsize.Options) Policy { return &sizer{options: o} }

type sizer struct {
	options rightsize.Options
	state   rightsize.State
}

func (s *sizer) Name() string { return "rightsize" }

func (s *sizer) Next(at time.Time, used, limit float64, throttled bool) (float64, string) {
	r := s.options.Observe(&s.state, rightsize.Sample{At: at, Used: used, Limit: limit, Throttled: throttled})
	if !r.Changes() {
		return limit, ""
	}
	return r.Size, r.Why()
}
