package capacity

import (
	"fmt"
	"math"
)

// An Estimate is what a workload needs, by one model.
type Estimate struct {
	Model    string   `json:"model"`
	Workload Workload `json:"workload"`
	Tiers    Tiers    `json:"tiers"`
	Cores    Cores    `json:"cores"`
	Memory   Memory   `json:"memory"`
	Storage  Storage  `json:"storage"`
	IOPS     float64  `json:"iops"`
	// NetworkBytes is what goes over the network a second, both ways.
	NetworkBytes int64    `json:"network_bytes_per_second"`
	Warnings     []string `json:"warnings,omitempty"`
}

// Tiers is how many memories are in which.
type Tiers struct {
	Hot  int64 `json:"hot"`
	Warm int64 `json:"warm"`
	Cold int64 `json:"cold"`
}

// Estimate says what w needs. The error wraps [ErrImpossible], and names what cannot be.
func (m Model) Estimate(w Workload) (Estimate, error) {
	if err := w.Validate(); err != nil {
		return Estimate{}, err
	}
	if err := m.validate(); err != nil {
		return Estimate{}, fmt.Errorf("model %s: %w", m.Name, err)
	}
	p, _ := ProfileNamed(w.Profile) // Validate knows it
	r := &reckoning{m: m, w: w, p: p}
	r.out.Model, r.out.Workload = m.Name, w
	r.out.Workload.Profile = p.Name
	r.tiers()
	r.out.Cores = r.cores()
	r.out.Memory = r.memory()
	r.out.Storage = r.storage()
	r.out.IOPS = w.OpsPerSec * (p.Write*m.WriteIOPS.Value + p.Read*m.ReadIOPS.Value)
	r.out.NetworkBytes = r.whole("network", w.OpsPerSec*(m.RequestBytes.Value+m.AnswerBytes.Value+p.Write*m.WriteVectorBytes.Value))
	r.whole("IOPS", r.out.IOPS)
	if r.err != nil {
		return Estimate{}, r.err
	}
	return r.out, nil
}

// A reckoning is one estimate in the making.
type reckoning struct {
	m               Model
	w               Workload
	p               Profile
	hot, warm, cold float64
	out             Estimate
	err             error // the first figure that does not fit
}

// whole rounds v. What does not fit into 62 bits is refused, so that sums of two figures fit too.
func (r *reckoning) whole(name string, v float64) int64 {
	n, err := whole(name, v)
	if err != nil && r.err == nil {
		r.err = err
	}
	return n
}

func whole(name string, v float64) (int64, error) {
	if math.IsNaN(v) || v >= 1<<62 {
		return 0, fmt.Errorf("%w: %s: the result is beyond 4 EiB; the numbers that it follows from are too large", ErrImpossible, name)
	}
	return int64(math.Round(v)), nil
}

func (r *reckoning) warn(format string, args ...any) {
	r.out.Warnings = append(r.out.Warnings, fmt.Sprintf(format, args...))
}

// tiers splits the memories. Three warm ones to a hot one are more than there are where more than a quarter is hot.
func (r *reckoning) tiers() {
	all := r.w.Memories
	r.hot = math.Round(all * r.w.ActiveRatio)
	r.warm = r.hot * r.m.WarmPerHot.Value
	r.cold = all - r.hot - r.warm
	if r.cold < 0 {
		r.cold = 0
		r.warn("active_ratio %v, with %v warm nodes to a hot one, leaves fewer than no cold ones: cold is taken as 0",
			r.w.ActiveRatio, r.m.WarmPerHot.Value)
		if r.m.WarmUnlimited.Value == 0 {
			r.warm = all - r.hot
		}
	}
	r.out.Tiers = Tiers{r.whole("hot", r.hot), r.whole("warm", r.warm), r.whole("cold", r.cold)}
}
