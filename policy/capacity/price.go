package capacity

import (
	"cmp"
	"fmt"
	"slices"
)

// An Instance is a machine that can be rented.
type Instance struct {
	Name        string  `json:"name"`
	VCPU        float64 `json:"vcpu"`
	MemoryBytes int64   `json:"memory_bytes"`
	Month       float64 `json:"price_per_month"`
}

// Prices is a table of what things cost, as its owner hands it in; nothing is assumed. What is nil is not known and not counted, and
// the cost says so.
type Prices struct {
	Currency  string     `json:"currency"`
	Instances []Instance `json:"instances,omitempty"`
	Core      *float64   `json:"core_per_month,omitempty"`
	MemoryGiB *float64   `json:"memory_gib_per_month,omitempty"`
	// StorageGiB is for a GiB and month.
	StorageGiB *float64 `json:"storage_gib_per_month,omitempty"`
	// NetworkGiB is for a GiB that is transferred.
	NetworkGiB *float64 `json:"network_gib,omitempty"`
}

// Size is what is paid for.
type Size struct {
	MilliCPU     int64 `json:"milli_cpu"`
	MemoryBytes  int64 `json:"memory_bytes"`
	StorageBytes int64 `json:"storage_bytes"`
}

// Size is what e recommends.
func (e Estimate) Size() Size {
	return Size{e.Cores.Recommended * 1000, e.Memory.Recommended, e.Storage.Recommended}
}

// Cost is money a month.
type Cost struct {
	Currency string   `json:"currency"`
	Compute  float64  `json:"compute"`
	Storage  float64  `json:"storage"`
	Network  float64  `json:"network"`
	Total    float64  `json:"total"`
	Missing  []string `json:"missing,omitempty"` // prices that the table lacks
}

// SecondsPerMonth is 730 hours, as clouds count.
const SecondsPerMonth = 730 * 3600

const gib = 1 << 30

// Validate refuses prices that cannot be.
func (p Prices) Validate() error {
	var c checks
	for _, k := range []struct {
		name string
		v    *float64
	}{
		{"core_per_month", p.Core}, {"memory_gib_per_month", p.MemoryGiB},
		{"storage_gib_per_month", p.StorageGiB}, {"network_gib", p.NetworkGiB},
	} {
		if k.v != nil {
			c.price(k.name, *k.v)
		}
	}
	for _, i := range p.Instances {
		c.positive("instance "+i.Name+": vcpu", i.VCPU)
		c.price("instance "+i.Name+": price_per_month", i.Month)
		if i.MemoryBytes <= 0 {
			c.fault("instance %s: memory_bytes: %d is not above 0", i.Name, i.MemoryBytes)
		}
	}
	return c.err()
}

// mostMoney is more than anything costs: what is above it is a mistake, and its sums might be no numbers.
const mostMoney = 1e12

func (c *checks) price(name string, v float64) {
	if c.amount(name, v) && v > mostMoney {
		c.fault("%s: %v is more than anything costs", name, v)
	}
}

// OfSize is what cores, memory and storage cost by themselves.
func (p Prices) OfSize(s Size) Cost {
	c := Cost{Currency: p.Currency}
	c.add(&c.Compute, "core_per_month", p.Core, float64(s.MilliCPU)/1000)
	c.add(&c.Compute, "memory_gib_per_month", p.MemoryGiB, float64(s.MemoryBytes)/gib)
	c.add(&c.Storage, "storage_gib_per_month", p.StorageGiB, float64(s.StorageBytes)/gib)
	c.Total = c.Compute + c.Storage
	return c
}

func (c *Cost) add(to *float64, name string, price *float64, amount float64) {
	if price == nil {
		c.Missing = append(c.Missing, name)
		return
	}
	*to += *price * amount
}

// A Suggestion is the instance that costs least of those that are large enough, and what a month costs with storage and network.
type Suggestion struct {
	Instance Instance `json:"instance"`
	Cost     Cost     `json:"cost"`
}

// Suggest returns the cheapest instance that holds what e recommends.
func (p Prices) Suggest(e Estimate) (Suggestion, error) {
	if err := p.Validate(); err != nil {
		return Suggestion{}, err
	}
	need := e.Size()
	fits := slices.DeleteFunc(slices.Clone(p.Instances), func(i Instance) bool {
		return i.VCPU*1000 < float64(need.MilliCPU) || i.MemoryBytes < need.MemoryBytes
	})
	if len(fits) == 0 {
		return Suggestion{}, fmt.Errorf("none of the %d instances of the price table has %d cores and %.1f GiB; add larger ones, or use several nodes",
			len(p.Instances), e.Cores.Recommended, float64(need.MemoryBytes)/gib)
	}
	best := slices.MinFunc(fits, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(a.Month, b.Month), cmp.Compare(a.VCPU, b.VCPU), cmp.Compare(a.MemoryBytes, b.MemoryBytes), cmp.Compare(a.Name, b.Name))
	})
	c := Cost{Currency: p.Currency, Compute: best.Month}
	c.add(&c.Storage, "storage_gib_per_month", p.StorageGiB, float64(need.StorageBytes)/gib)
	c.add(&c.Network, "network_gib", p.NetworkGiB, float64(e.NetworkBytes)*SecondsPerMonth/gib)
	c.Total = c.Compute + c.Storage + c.Network
	return Suggestion{best, c}, nil
}
