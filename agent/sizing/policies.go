package sizing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/replay"
	"github.com/engramd/engramd/policy/rightsize"
)

// A Contestant is a policy that can be replayed, by a name for the command line.
type Contestant struct {
	Name, Says string
	// New makes one for one run: it carries that run's state. One that has a Close method is closed after it.
	New func(o replay.Options) (replay.Policy, error)
}

// Contestants lists the product's policy and the built-in baselines.
func Contestants() []Contestant {
	plain := func(make func(o replay.Options) replay.Policy) func(replay.Options) (replay.Policy, error) {
		return func(o replay.Options) (replay.Policy, error) { return make(o), nil }
	}
	return []Contestant{
		{"rightsize", "the product's own, as rightsize: of agent.yaml", plain(func(o replay.Options) replay.Policy { return replay.Rightsize(rightsize.CPU(o.Min, o.Host)) })},
		{"static", "always the whole host", plain(func(o replay.Options) replay.Policy { return replay.Static(o.Host) })},
		{"moving-maximum", "the maximum of 24 h + 15%, doubled when throttled", plain(func(replay.Options) replay.Policy { return replay.MovingMaximum() })},
		{"80-20", "one core more above 80% of the limit, one less below 20%", plain(func(replay.Options) replay.Policy { return replay.Thresholds() })},
		{"krr", "KRR's rule: once a day the 95th percentile of 14 days", plain(func(replay.Options) replay.Policy { return replay.DailyPercentile() })},
	}
}

// RightsizeRule makes a rightsize policy of agent.yaml one that can be replayed. A target's bounds hold where they are
// narrower than those of the replay.
func RightsizeRule(name string, margin float64, bounds policy.Bounds) Contestant {
	return Contestant{name, "a rightsize policy of agent.yaml", func(o replay.Options) (replay.Policy, error) {
		if n, ok := bounds.Min.Amount(); ok {
			o.Min = max(o.Min, float64(n)/1000)
		}
		if n, ok := bounds.Max.Amount(); ok {
			o.Host = min(o.Host, float64(n)/1000)
		}
		rule := rightsize.CPU(o.Min, o.Host)
		rule.Margin = margin
		return replay.Rightsize(rule), rule.Validate()
	}}
}

// ContestantsNamed returns those of the names, all built-in ones for "all". own finds what is not built in; it may be nil.
func ContestantsNamed(names []string, own func(name string) (Contestant, bool, error)) ([]Contestant, error) {
	known := Contestants()
	var chosen []Contestant
	for _, name := range names {
		if name == "all" {
			chosen = append(chosen, known...)
			continue
		}
		if i := slices.IndexFunc(known, func(c Contestant) bool { return c.Name == name }); i >= 0 {
			chosen = append(chosen, known[i])
			continue
		}
		if own != nil {
			c, ok, err := own(name)
			if err != nil {
				return nil, err
			}
			if ok {
				chosen = append(chosen, c)
				continue
			}
		}
		return nil, fmt.Errorf("there is no policy %q to replay; there are %s, all, guide, and those of agent.yaml", name, strings.Join(namesOf(known), ", "))
	}
	return chosen, nil
}

func namesOf(all []Contestant) []string {
	names := make([]string, 0, len(all))
	for _, c := range all {
		names = append(names, c.Name)
	}
	return names
}
