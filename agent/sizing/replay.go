package sizing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/engramd/engramd/policy/capacity"
	"github.com/engramd/engramd/policy/replay"
)

// ReadTrace reads a recording from a file; see [replay.Read] for what it may hold.
func ReadTrace(path string, hostCores float64) (replay.Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return replay.Trace{}, fmt.Errorf("read a recording: %w", err)
	}
	defer f.Close()
	return replay.Read(f, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), hostCores)
}

// A Score is how one policy did on one recording. Percentages are numbers of per cent.
type Score struct {
	Trace  string `json:"trace"`
	Policy string `json:"policy"`
	replay.Measures
	// OptimumSlack is the slack of limits that know the future, leave nothing unmet and change as
	// often; Regret how much more was held than by them.
	OptimumSlack float64 `json:"optimum_slack"`
	Regret       float64 `json:"regret"`
	Days         float64 `json:"days"`
	// CostMonth is what the limits come to in a month of 730 hours; nil without a price of a core.
	CostMonth *float64 `json:"cost_per_month,omitempty"`
	Currency  string   `json:"currency,omitempty"`

	Result replay.Result `json:"-"`
}

// Replay runs one policy over one recording and judges it.
func Replay(ctx context.Context, t replay.Trace, c Contestant, o replay.Options, prices *capacity.Prices) (Score, error) {
	p, err := c.New(o)
	if err != nil {
		return Score{}, err
	}
	o.Stop = ctx.Err
	r, err := replay.Run(t, p, o)
	if closer, ok := p.(io.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	if err != nil {
		return Score{}, err
	}
	best := replay.Optimum(t, r, o)
	s := Score{Trace: t.Name, Policy: c.Name, Measures: r.Measures, OptimumSlack: best.Slack, Regret: best.Regret, Days: t.Days(), Result: r}
	if prices != nil && prices.Core != nil {
		cost := *prices.Core * meanOf(r.Limits)
		s.CostMonth, s.Currency = &cost, prices.Currency
	}
	return s, nil
}

func meanOf(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}

// Means returns the mean of each policy over all recordings, in the order in which policies appear.
func Means(scores []Score) []Score {
	var means []Score
	byPolicy := map[string][]Score{}
	for _, s := range scores {
		if len(byPolicy[s.Policy]) == 0 {
			means = append(means, Score{Trace: "mean", Policy: s.Policy})
		}
		byPolicy[s.Policy] = append(byPolicy[s.Policy], s)
	}
	for i := range means {
		m := &means[i]
		var all []replay.Measures
		for _, s := range byPolicy[m.Policy] {
			all = append(all, s.Measures)
			n := float64(len(byPolicy[m.Policy]))
			m.OptimumSlack += s.OptimumSlack / n
			m.Regret += s.Regret / n
			m.Days += s.Days / n
		}
		m.Measures = replay.Mean(all)
	}
	return means
}
