package rightsize

import (
	"math"
	"slices"
	"time"
)

const peakCount = 32

// Peaks are what was used at most in the hour after each of the newest throttles.
type Peaks struct {
	Max   [peakCount]float32 `json:"max"`
	Count int64              `json:"count"`          // ever, so that the next place is known
	Until time.Time          `json:"until,omitzero"` // the end of the burst that is being watched
	Top   float64            `json:"top,omitempty"`  // of that burst
}

// watch begins a burst at a throttle, unless one is being watched.
func (p *Peaks) watch(at time.Time) {
	if p.Until.IsZero() {
		p.Until, p.Top = at.Add(burstLength), 0
	}
}

// add counts a use. The minute that ends a burst belongs to it.
func (p *Peaks) add(at time.Time, used float64) {
	if p.Until.IsZero() {
		return
	}
	p.Top = max(p.Top, used)
	if at.Before(p.Until) {
		return
	}
	p.Max[p.Count%peakCount] = roundUp(p.Top)
	p.Count++
	p.Until, p.Top = time.Time{}, 0
}

// quantile returns the q-quantile of the peaks, and false if there is none.
func (p *Peaks) quantile(q float64) (float64, bool) {
	n := int(min(p.Count, peakCount))
	if n <= 0 {
		return 0, false
	}
	sorted := p.Max
	slices.Sort(sorted[:n])
	return float64(sorted[min(n-1, int(q*float64(n)))]), true
}

// roundUp keeps a float64 as a float32 that is not below it.
func roundUp(x float64) float32 {
	f := float32(x)
	if float64(f) < x {
		f = math.Nextafter32(f, math.MaxFloat32)
	}
	return f
}
