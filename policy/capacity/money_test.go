package capacity_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/policy/capacity"
)

func prices() capacity.Prices {
	return capacity.Prices{
		Currency: "USD",
		Instances: []capacity.Instance{
			{"large", 16, 64 << 30, 500}, {"middle", 8, 16 << 30, 200}, {"thin", 8, 1 << 30, 100}, {"small", 2, 8 << 30, 60},
		},
		StorageGiB: new(0.1), Core: new(20.0), MemoryGiB: new(3.0),
	}
}

// The guide's example takes 8 cores, 1.55 GiB and 1,401,104,448,000 bytes: × 0.1 / 2^30 = 130.488 a month; thin has too little memory.
func TestSuggestsTheCheapestThatFits(t *testing.T) {
	got, err := prices().Suggest(estimate(t, capacity.Guide(), example))
	if err != nil || got.Instance.Name != "middle" || math.Abs(got.Cost.Total-330.488) > 0.001 {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(got.Cost.Missing) != 1 || got.Cost.Missing[0] != "network_gib" {
		t.Errorf("a price that is not known must be told: %q", got.Cost.Missing)
	}
	p := prices()
	p.NetworkGiB = new(0.01)
	// 23,040,000 × 2,628,000 / 2^30 × 0.01 = 563.907.
	if got, err := p.Suggest(estimate(t, capacity.Guide(), example)); err != nil || math.Abs(got.Cost.Network-563.907) > 0.001 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestNoInstanceIsLargeEnough(t *testing.T) {
	w := example
	w.OpsPerSec = 100_000
	if _, err := prices().Suggest(estimate(t, capacity.Guide(), w)); err == nil || !strings.Contains(err.Error(), "none of the 4 instances") {
		t.Errorf("got %v", err)
	}
	p := prices()
	p.StorageGiB = new(-1.0)
	p.Instances[0].VCPU = 0
	if _, err := p.Suggest(estimate(t, capacity.Guide(), example)); !errors.Is(err, capacity.ErrImpossible) {
		t.Errorf("got %v", err)
	}
}

func TestPricesThatCannotBe(t *testing.T) {
	for name, spoil := range map[string]func(p *capacity.Prices){
		"core_per_month: 1e+308": func(p *capacity.Prices) { p.Core = new(1e308) },
		"price_per_month: 1e+13": func(p *capacity.Prices) { p.Instances[0].Month = 1e13 },
		"network_gib":            func(p *capacity.Prices) { p.NetworkGiB = new(math.Inf(1)) },
	} {
		p := prices()
		spoil(&p)
		if err := p.Validate(); !errors.Is(err, capacity.ErrImpossible) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestCostOfASize(t *testing.T) {
	got := prices().OfSize(capacity.Size{MilliCPU: 2500, MemoryBytes: 4 << 30, StorageBytes: 100 << 30})
	if math.Abs(got.Total-(50+12+10)) > 1e-9 || len(got.Missing) != 0 {
		t.Errorf("got %+v", got)
	}
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func point(day, bytes float64) capacity.Point {
	return capacity.Point{At: noon.Add(time.Duration(day * 24 * float64(time.Hour))), Bytes: bytes}
}

func TestTrend(t *testing.T) {
	// Ten a day from 100: 200 on the tenth day, so 500 is 30 days later.
	got, err := capacity.TrendOf([]capacity.Point{point(10, 200), point(0, 100), point(5, 150), point(3, math.NaN()), point(4, -1)})
	if err != nil || math.Abs(got.PerDay-10) > 1e-9 || got.Bytes != 200 || got.Points != 3 || got.Span != 10 || math.Abs(got.Fit-1) > 1e-9 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if d, ok := got.DaysTo(500); !ok || math.Abs(d-30) > 1e-9 {
		t.Errorf("500 after %v days, %v", d, ok)
	}
	if d, ok := got.DaysTo(200); !ok || d != 0 {
		t.Errorf("it is there: %v, %v", d, ok)
	}
	if at := got.At(got.Last.AddDate(0, 0, 10)); math.Abs(at-300) > 1e-9 {
		t.Errorf("300 ten days later, got %v", at)
	}
}

func TestTrendThatDoesNotRise(t *testing.T) {
	for name, points := range map[string][]capacity.Point{
		"flat":    {point(0, 100), point(1, 100), point(2, 100)},
		"falling": {point(0, 300), point(1, 200), point(2, 100)},
	} {
		got, err := capacity.TrendOf(points)
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := got.DaysTo(1000); ok {
			t.Errorf("%s: full after %v days", name, d)
		}
		if at := got.At(got.Last.AddDate(1, 0, 0)); at < 0 {
			t.Errorf("%s: %v bytes in a year", name, at)
		}
	}
	for name, points := range map[string][]capacity.Point{
		"none": nil, "one": {point(0, 1)}, "of one moment": {point(0, 1), point(0, 2)}, "not numbers": {point(0, 1), point(1, math.Inf(1))},
	} {
		if _, err := capacity.TrendOf(points); !errors.Is(err, capacity.ErrNoTrend) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzTrend(f *testing.F) {
	f.Add(0.0, 100.0, 1.0, 110.0, 5.0, 90.0, 1000.0)
	f.Add(0.0, 0.0, 1e-14, 4e18, 1e5, 0.0, math.MaxFloat64)
	f.Fuzz(func(t *testing.T, x1, y1, x2, y2, x3, y3, limit float64) {
		for _, x := range []float64{x1, x2, x3} {
			if !(math.Abs(x) < 1e5) {
				t.Skip("beyond what a duration can be")
			}
		}
		got, err := capacity.TrendOf([]capacity.Point{point(x1, y1), point(x2, y2), point(x3, y3)})
		if err != nil {
			return
		}
		if math.IsNaN(got.PerDay) || !(got.Fit >= 0 && got.Fit <= 1) {
			t.Errorf("%+v", got)
		}
		if d, ok := got.DaysTo(limit); ok && !(d >= 0) {
			t.Errorf("%v days to %v: %+v", d, limit, got)
		}
		if at := got.At(got.Last.AddDate(1, 0, 0)); !(at >= 0) {
			t.Errorf("%v in a year: %+v", at, got)
		}
	})
}
