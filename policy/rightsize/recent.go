package rightsize

import "time"

// recentSlots is the longest window: a day of hours.
const recentSlots = 24

// A Recent is a ring of the maxima of the newest slots of time.
type Recent struct {
	Slot int64                `json:"slot"` // number of the newest slot since the epoch
	Max  [recentSlots]float32 `json:"max"`
}

// add counts x at a time that is not before any earlier one.
func (r *Recent) add(at time.Time, slot time.Duration, x float64) {
	n := at.Unix() / int64(slot/time.Second)
	for range min(n-r.Slot, recentSlots) {
		r.Slot++
		r.Max[r.at(r.Slot)] = 0
	}
	r.Slot = n
	if i := r.at(n); float64(r.Max[i]) < x {
		r.Max[i] = roundUp(x)
	}
}

// max returns the maximum of the newest n slots.
func (r *Recent) max(n int) float64 {
	var m float32
	for i := range n {
		m = max(m, r.Max[r.at(r.Slot-int64(i))])
	}
	return float64(m)
}

func (r *Recent) at(n int64) int64 { return (n%recentSlots + recentSlots) % recentSlots }

func (r *Recent) clear() { *r = Recent{} }
