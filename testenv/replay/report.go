package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy/replay"
)

// The report stands between these lines of sizing.md.
const (
	begin = "<!-- replay: begin -->"
	end   = "<!-- replay: end -->"
)

// pictured is the policy of which pictures are made.
const pictured = "rightsize"

// report writes the table and the pictures into the folder of sizing.md.
func report(docs string, traces []replay.Trace, scores []sizing.Score) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n| policy | trace | slack | unmet | over | actions/day | weighted slack | regret |\n|---|---|---|---|---|---|---|---|\n", begin)
	means := sizing.Means(scores)
	for i, s := range scores {
		row(&b, s)
		if i+1 == len(scores) || scores[i+1].Policy != s.Policy {
			row(&b, means[slices.IndexFunc(means, func(m sizing.Score) bool { return m.Policy == s.Policy })])
		}
	}
	b.WriteString("\n")
	for i, t := range traces {
		name := filepath.Join("pictures", t.Name+".png")
		j := slices.IndexFunc(scores, func(s sizing.Score) bool { return s.Policy == pictured && s.Trace == t.Name })
		if err := draw(filepath.Join(docs, name), traces[i], scores[j]); err != nil {
			return err
		}
		fmt.Fprintf(&b, "![demand, limit and actions on %s](%s)\n", t.Name, filepath.ToSlash(name))
	}
	b.WriteString(end)
	return replace(filepath.Join(docs, "sizing.md"), b.String())
}

func row(b *strings.Builder, s sizing.Score) {
	fmt.Fprintf(b, "| %s | %s | %.1f | %.3f | %.3f | %.2f | %.1f | %.0f |\n", s.Policy, s.Trace, s.Slack, s.Unmet, s.Over, s.ActionsPerDay, s.WeightedSlack, s.Regret)
}

func draw(name string, t replay.Trace, s sizing.Score) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(sizing.Draw(f, name, t, s.Result), f.Close())
}

// replace puts text where the last report stood.
func replace(name, text string) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(old), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s has no place for the report: put %q and %q on lines of their own", name, begin, end)
	}
	return os.WriteFile(name, []byte(before+text+after), 0o644)
}
