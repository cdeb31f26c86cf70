package config

import (
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A Config is agent.yaml, checked and complete.
type Config struct {
	// Path is the file it was read from, and the place that faults and warnings name.
	Path string
	// Hash identifies the contents (hex SHA-256), so that a reload can say whether anything changed.
	Hash string
	// DataDir holds the journal, the metric history and the node's data. A relative one is relative
	// to the working directory, not to the file.
	DataDir string
	// Discover asks for [WithFound].
	Discover bool
	// Mode caps every target and policy when it is dry-run; otherwise the most specific mode wins.
	Mode policy.Mode

	Listen  Listen
	Auth    Auth
	TLS     TLS
	Log     Log
	Node    Node
	Metrics Metrics
	// Windows holds the maintenance windows by name.
	Windows  map[string]Window
	Targets  []Target
	Policies []Policy
	// Rightsize and Schedules are the policies that are no matrices.
	Rightsize []Rightsize
	Schedules []Schedule
	Rules     Rules
	Safety    Safety
	Events    Events
	Report    *Report // nil: none

	// Warnings are what a person should know and what is no fault; `engramd check` prints them.
	Warnings []Warning

	document *document // for Show
}

// Target returns the target of that name.
func (c *Config) Target(name string) (Target, bool) {
	for _, t := range c.Targets {
		if t.Name == name {
			return t, true
		}
	}
	return Target{}, false
}

// CountPolicies is how many policies there are, of every kind.
func (c *Config) CountPolicies() int { return len(c.Policies) + len(c.Rightsize) + len(c.Schedules) }

// A Window is a maintenance window as declared; the policy package computes with it.
type Window struct {
	Name     string
	Cron     string // five fields
	Duration time.Duration
	TimeZone string // an IANA name, or "Local"
}

// A Target is one service, with everything that the file says of it.
type Target struct {
	policy.Target
	// Drivers are the platforms that the target names, the one that holds the process first. Specs of
	// the embedded policy.Target has a section for each of them.
	Drivers []string
	// Container is what $container stands for in expressions: the container of the platform's
	// section, else the target's name.
	Container string
	// NodeURL is the base URL of the target's memory node, "" if it is none.
	NodeURL string
	// Procedure is how the target is drained, proven and watched; Trigger is empty, it belongs to an
	// action.
	Procedure actuators.Procedure
	// Safety is the agent's with what the target overrides.
	Safety Safety
}

// A Policy is one rule for one or several targets. A preset over several targets becomes one Policy
// for each of them with the same name.
type Policy struct {
	policy.Policy
	// Preset is the name of the preset that the matrix came from, "" for a matrix of one's own.
	Preset string
	// CooldownUp and CooldownDown are in effect: the largest of what is configured and what fresh
	// evidence takes (longest range + longest for + settle).
	CooldownUp, CooldownDown time.Duration
}

// A Warning is one thing that a person should know.
type Warning struct {
	Position
	Text string
}

// String writes file:line:column: text.
func (w Warning) String() string { return w.Position.String() + ": " + w.Text }
