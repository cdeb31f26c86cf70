package telemetry

import (
	"context"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
)

// Config is the part of the configuration that [Telemetry.Reload] can swap.
type Config struct {
	// Interval is how often the host and the targets are read, and scrapes that name none are made.
	// Three of it make a sample too old to be evidence.
	Interval time.Duration
	// Retention is how long samples are kept; 0 is 15 days.
	Retention time.Duration
	Scrapes   []Scrape
	Targets   []Target
	// Remote is the Prometheus server that answers signals; nil is the embedded store.
	Remote *Remote
}

// A Scrape is one endpoint that is read over HTTP.
type Scrape struct {
	Job string // the label "job"
	URL string
	// Target is the label "target" on every sample, "" for none.
	Target string
	// Interval is 0 for the Config's; Timeout is 0 for the interval, at most 10 s.
	Interval, Timeout time.Duration
	// HeadersFile holds "Name: value" lines, BearerTokenFile a token; both are read again by Reload,
	// the token also at every scrape.
	HeadersFile, BearerTokenFile string
	// CAFile holds the certificates that may have signed the endpoint's, "" for the system's.
	CAFile string
	// ServerName is the name that the endpoint's certificate must have, "" for that of the URL.
	ServerName string
	// BodyLimit (bytes, after decompression) and SampleLimit bound one answer; 0 is 16 MiB and 20,000.
	BodyLimit   int64
	SampleLimit int
}

// A Target is one service whose cgroups are read at every interval.
type Target struct {
	Name string
	// PerPart gives every sample the label "pod", also while there is only one part. It is set where
	// parts come and go (Kubernetes). Several parts always have it.
	PerPart bool
	// Observe reports the target's parts. It is called once an interval, and again by the Meter's
	// Sample; an error makes the target blind and nothing else.
	Observe func(ctx context.Context) (actuators.State, error)
	// Measure reads a part that runs, but has no process and no cgroup on this host; nil if the
	// platform cannot tell. What it does not know is absent.
	Measure func(ctx context.Context, p actuators.Part) (cgroup.Stats, error)
	// PID is the process on this host, if it is known, of a target whose platform names none: its threads
	// and its network are read. 0 is unknown.
	PID int
	// Gauges measures what belongs to the target and no part of it, such as its volume; nil if there is
	// nothing. What it cannot tell is absent.
	Gauges func(ctx context.Context) ([]actuators.Gauge, error)
}

// Remote is a Prometheus server, or anything that speaks its query API.
type Remote struct {
	URL             string
	BearerTokenFile string
	CAFile          string
	Timeout         time.Duration // of one query; 0 is 10 s
}
