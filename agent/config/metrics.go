package config

import "time"

// Metrics says where samples come from and how long they are kept.
type Metrics struct {
	// Prometheus is the server that answers instead of the embedded store; nil is embedded.
	Prometheus *Prometheus
	// Interval is how far samples are apart, also of a Prometheus server's.
	Interval time.Duration
	// Timeout bounds one query of a Prometheus server.
	Timeout time.Duration
	// Retention is how long the embedded store keeps samples.
	Retention time.Duration
	// Scrape lists everything to scrape, with one entry for each target's node.
	Scrape []Scrape
}

// Prometheus is a server to ask instead of the embedded store.
type Prometheus struct {
	// URL is the server's base URL.
	URL string `yaml:"url"`
	// BearerTokenFile holds a token to send.
	BearerTokenFile string `yaml:"bearer_token_file,omitempty"`
	// CAFile holds the CA of the server's certificate, in PEM.
	CAFile string `yaml:"ca_file,omitempty"`
}

// A Scrape is one URL whose samples are stored, with the labels job and, if it is a target's,
// target.
type Scrape struct {
	// Job is the label job.
	Job string
	// URL is the full URL, with the path.
	URL string
	// Target is the label target, "" if it belongs to none.
	Target string
	// Interval and Timeout are 0 where the file says nothing: telemetry's defaults.
	Interval, Timeout time.Duration
	// BearerTokenFile and HeadersFile hold what to send along.
	BearerTokenFile, HeadersFile string
	// CAFile holds the CA of the endpoint's certificate, in PEM.
	CAFile string
}
