package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/tier"
	"github.com/engramd/engramd/policy"
)

// A filtering says which memories are meant, as the flags say it.
type filtering struct {
	tags, tiers   []string
	kind          string
	after, before string
	confidence    float32
}

func (f *filtering) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.tags, "tag", nil, "only memories that have all of these tags")
	flags.StringSliceVar(&f.tiers, "tier", nil, "only memories in one of these tiers: hot, warm, cold")
	flags.StringVar(&f.kind, "type", "", "only episodic or semantic memories")
	flags.StringVar(&f.after, "after", "", "only memories of then or later: 2026-01-31T12:00:00Z, or 7d for the last seven days")
	flags.StringVar(&f.before, "before", "", "only memories from before that")
	flags.Float32Var(&f.confidence, "min-confidence", 0, "only memories of at least this confidence")
}

func (f *filtering) filter(now time.Time) (out api.Filter, err error) {
	out = api.Filter{Tags: f.tags, Type: f.kind, MinConfidence: f.confidence}
	for _, name := range f.tiers {
		t, err := tier.Parse(name)
		if err != nil {
			return out, usageError{fmt.Errorf("--tier: %w", err)}
		}
		out.Tiers = append(out.Tiers, t)
	}
	if out.CreatedAfter, err = instant("--after", f.after, now); err != nil {
		return out, err
	}
	out.CreatedBefore, err = instant("--before", f.before, now)
	return out, err
}

// instant reads a time, or how long ago it was.
func instant(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if ago, err := policy.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	return time.Time{}, usageError{fmt.Errorf("%s %s: want a time as 2006-01-02T15:04:05Z, or how long ago it was, as 7d", flag, text)}
}
