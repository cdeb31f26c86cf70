package actuators

import (
	"context"
	"log/slog"

	"github.com/engramd/engramd/policy"
)

// A Registry holds the platforms by the key of their section in agent.yaml ("docker"). A new
// platform is one folder and one line where the registry is made.
type Registry map[string]Platform

// A Platform is what the agent needs to know of one kind of target before it has a driver for it.
type Platform struct {
	// NewSpec returns a pointer to the zero value of the platform's section of a target, with yaml
	// and json tags. The configuration is decoded into it strictly, the journal restores it.
	NewSpec func() any
	// Check completes the defaults of a decoded spec and reports every fault in it; no I/O.
	Check func(spec any) error
	// Open makes the driver. It starts nothing and connects to nothing: a daemon that is away now is
	// an error of the calls, not of Open.
	Open func(log *slog.Logger) (Driver, error)
	// Admission names who judges whether the host has room for a growth, where it is not the agent
	// ("the kubelet"); "" is the agent.
	Admission string
	// Instead says, for resources that the platform keeps to itself, why and what to do instead.
	Instead map[policy.Resource]string
	// Find lists what could be a target on this host, for `engramd init`.
	Find func(ctx context.Context) ([]Found, error)
	// Probe says what works here and with which rights, for `engramd doctor`.
	Probe func(ctx context.Context) []Finding
}

// Found is one thing that could be a target.
type Found struct {
	Name string
	Spec any
	Note string // what a person should know: image, limits
	// HealthURL and MetricsURL are set where the platform tells them (published ports).
	HealthURL, MetricsURL string
}

// A Finding is one line of what works here.
type Finding struct {
	What   string `json:"what"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}
