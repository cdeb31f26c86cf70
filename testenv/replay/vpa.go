package main

import (
	"math"
	"time"

	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/config"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy/replay"
)

// The updater's rule: outside the bounds at once, within them after half a day if it is off by a tenth.
const (
	lifetime  = 12 * time.Hour
	minChange = 0.1
)

// autoscaler is the baseline that the product does not carry.
func autoscaler() sizing.Contestant {
	return sizing.Contestant{Name: "vpa", Says: "the recommender of the Vertical Pod Autoscaler 1.8, request = limit", New: func(replay.Options) (replay.Policy, error) { return newPolicy(), nil }}
}

// A policy is the recommender with its defaults, request = limit.
type policy struct {
	state   *model.AggregateContainerState
	rules   logic.PodResourceRecommender
	changed time.Time
}

func newPolicy() *policy {
	c := config.DefaultRecommenderConfig()
	return &policy{
		state: model.NewAggregateContainerState(),
		rules: logic.CreatePodResourceRecommender(logic.RecommendationConfig{
			SafetyMarginFraction: c.SafetyMarginFraction, PodMinCPUMillicores: c.PodMinCPUMillicores, PodMinMemoryMb: c.PodMinMemoryMb,
			TargetCPUPercentile: c.TargetCPUPercentile, LowerBoundCPUPercentile: c.LowerBoundCPUPercentile, UpperBoundCPUPercentile: c.UpperBoundCPUPercentile,
			ConfidenceIntervalCPU:  c.ConfidenceIntervalCPU,
			TargetMemoryPercentile: c.TargetMemoryPercentile, LowerBoundMemoryPercentile: c.LowerBoundMemoryPercentile,
			UpperBoundMemoryPercentile: c.UpperBoundMemoryPercentile, ConfidenceIntervalMemory: c.ConfidenceIntervalMemory,
		}),
	}
}

func (p *policy) Name() string { return "VPA 1.8" }

// Next implements [replay.Policy].
func (p *policy) Next(at time.Time, used, limit float64, _ bool) (float64, string) {
	if p.changed.IsZero() {
		p.changed = at
	}
	p.state.AddSample(&model.ContainerUsageSample{MeasureStart: at, Usage: model.CPUAmountFromCores(used), Resource: model.ResourceCPU})
	const name = "app"
	r := p.rules.GetRecommendedPodResources(model.ContainerNameToAggregateStateMap{name: p.state})[name]
	target := model.CoresFromCPUAmount(r.Target[model.ResourceCPU])
	low, high := model.CoresFromCPUAmount(r.LowerBound[model.ResourceCPU]), model.CoresFromCPUAmount(r.UpperBound[model.ResourceCPU])
	why := ""
	switch {
	case limit < low || limit > high:
		why = "outside the bounds"
	case at.Sub(p.changed) >= lifetime && math.Abs(target-limit) >= minChange*limit:
		why = "off by a tenth after half a day"
	default:
		return limit, ""
	}
	p.changed = at
	return target, why
}
