package sizing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/engramd/engramd/policy/replay"
	"github.com/engramd/engramd/policy/rightsize"
)

// A Contestant is a policy that can be replayed, by a name for the command line.
type Contestant struct {
	Name, Says string
	// New makes one for one run: it carries that run's state.
	New func(o replay.Options) replay.Policy
}

// Contestants lists the product's policy and the built-in baselines.
func Contestants() []Contestant {
	return []Contestant{
		{"rightsize", "the product's own, as rightsize: of agent.yaml", func(o replay.Options) replay.Policy {
			return replay.Rightsize(rightsize.CPU(o.Min, o.Host))
		}},
		{"static", "always the whole host", func(o replay.Options) replay.Policy { return replay.Static(o.Host) }},
		{"moving-maximum", "the maximum of 24 h + 15%, doubled when throttled", func(replay.Options) replay.Policy { return replay.MovingMaximum() }},
		{"80-20", "one core more above 80% of the limit, one less below 20%", func(replay.Options) replay.Policy { return replay.Thresholds() }},
		{"krr", "KRR's rule: once a day the 95th percentile of 14 days", func(replay.Options) replay.Policy { return replay.DailyPercentile() }},
	}
}

// ContestantsNamed returns those of the names, all of them for "all".
func ContestantsNamed(names []string) ([]Contestant, error) {
	known := Contestants()
	if slices.Contains(names, "all") {
		return known, nil
	}
	var chosen []Contestant
	for _, name := range names {
		i := slices.IndexFunc(known, func(c Contestant) bool { return c.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no policy %q to replay; there are %s and all", name, strings.Join(namesOf(known), ", "))
		}
		chosen = append(chosen, known[i])
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
