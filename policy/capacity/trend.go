package capacity

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// A Point is how much was in use at one time.
type Point struct {
	At    time.Time
	Bytes float64
}

// A Trend is a straight line through points, by least squares.
type Trend struct {
	PerDay float64   `json:"bytes_per_day"`
	Last   time.Time `json:"last"`         // of the latest point
	Bytes  float64   `json:"bytes"`        // at Last: the point itself, so that a compaction counts
	Fit    float64   `json:"r_squared"`    // 1: the points are on the line; 0: the line says nothing
	Points int       `json:"points"`       // that were used
	Span   float64   `json:"days_of_data"` // between the first and the last
}

// ErrNoTrend is that the points do not make a line.
var ErrNoTrend = errors.New("no trend")

// TrendOf fits a line through points, in any order. What is not a number, negative or infinite is left out.
func TrendOf(points []Point) (Trend, error) {
	use := make([]Point, 0, len(points))
	for _, p := range points {
		if !math.IsNaN(p.Bytes) && p.Bytes >= 0 && p.Bytes < 1<<62 {
			use = append(use, p)
		}
	}
	if len(use) < 2 {
		return Trend{}, fmt.Errorf("%w: %d usable points; two at least make a line", ErrNoTrend, len(use))
	}
	first, last := use[0], use[0]
	for _, p := range use {
		if p.At.Before(first.At) {
			first = p
		}
		if !p.At.Before(last.At) {
			last = p
		}
	}
	span := days(last.At.Sub(first.At))
	if span <= 0 {
		return Trend{}, fmt.Errorf("%w: all points are of one moment", ErrNoTrend)
	}
	t := Trend{Last: last.At, Bytes: last.Bytes, Points: len(use), Span: span}
	t.fit(use, first.At)
	return t, nil
}

func (t *Trend) fit(points []Point, origin time.Time) {
	var meanX, meanY float64
	for i, p := range points {
		n := float64(i + 1)
		meanX += (days(p.At.Sub(origin)) - meanX) / n
		meanY += (p.Bytes - meanY) / n
	}
	var xx, xy, yy float64
	for _, p := range points {
		dx, dy := days(p.At.Sub(origin))-meanX, p.Bytes-meanY
		xx, xy, yy = xx+dx*dx, xy+dx*dy, yy+dy*dy
	}
	t.PerDay = xy / xx
	t.Fit = 1
	if yy > 0 {
		t.Fit = min(1, xy/xx*xy/yy)
	}
}

func days(d time.Duration) float64 { return d.Hours() / 24 }

// At is what will be in use by then, by the line. It is never below zero.
func (t Trend) At(then time.Time) float64 {
	return max(0, t.Bytes+t.PerDay*days(then.Sub(t.Last)))
}

// DaysTo is how many days after Last limit is reached: 0 if it was, and false if it never will be.
func (t Trend) DaysTo(limit float64) (float64, bool) {
	switch {
	case math.IsNaN(limit):
		return 0, false
	case t.Bytes >= limit:
		return 0, true
	case t.PerDay <= 0:
		return 0, false
	}
	d := (limit - t.Bytes) / t.PerDay
	return d, !math.IsInf(d, 0)
}
