package capacity_test

import (
	"errors"
	"math"
	"strings"
	"testing"

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
