package config

import (
	"fmt"
	"reflect"
	"time"

	"github.com/goccy/go-yaml/ast"
)

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

// metricsSection is the section metrics.
type metricsSection struct {
	// Source is embedded, or {prometheus: {url: ...}}: the server that answers signals and rules. What
	// begins with engramd_ is always answered by the embedded store.
	Source metricsSource `yaml:"source"`
	// Interval is how far samples are apart, also those of a Prometheus server. A sample older than
	// three of it is no evidence.
	Interval time.Duration `yaml:"interval"`
	// Timeout bounds one query of a Prometheus server.
	Timeout time.Duration `yaml:"timeout"`
	// Retention is how long the embedded store keeps samples.
	Retention time.Duration `yaml:"retention"`
	// Scrape lists URLs to read samples from. A target's node.url is scraped by itself.
	Scrape []scrapeSection `yaml:"scrape,omitempty"`
}

// A metricsSource is embedded or a Prometheus server.
type metricsSource struct {
	// Prometheus is a server to ask instead of the embedded store.
	Prometheus *Prometheus `yaml:"prometheus,omitempty"`
}

func (m *metricsSource) fromYAML(d *decoder, n ast.Node, path string) {
	if _, isMap := n.(*ast.MappingNode); isMap {
		d.structure(n, reflect.ValueOf(m).Elem(), path)
		return
	}
	if text, ok := d.text(n, path); ok && text != "embedded" {
		d.faultAt(path, lead(path, fmt.Sprintf("%q is not known", text)), "want embedded, or {prometheus: {url: ...}}")
	}
}

func (m metricsSource) toYAML() any {
	if m.Prometheus == nil {
		return "embedded"
	}
	return encode(reflect.ValueOf(struct {
		Prometheus *Prometheus `yaml:"prometheus"`
	}{m.Prometheus}))
}

// A scrapeSection is one URL to read samples from.
type scrapeSection struct {
	// Job is the label job; the target's name if it is not said.
	Job string `yaml:"job,omitempty"`
	// URL is the full URL, with the path.
	URL string `yaml:"url"`
	// Target names the target that the samples belong to: their label target.
	Target string `yaml:"target,omitempty"`
	// Interval is metrics.interval if it is not said.
	Interval time.Duration `yaml:"interval,omitempty"`
	// Timeout bounds one scrape: the interval, and at most 10s, if it is not said.
	Timeout time.Duration `yaml:"timeout,omitempty"`
	// BearerTokenFile holds a token to send.
	BearerTokenFile string `yaml:"bearer_token_file,omitempty"`
	// HeadersFile holds headers to send, one "Name: value" a line.
	HeadersFile string `yaml:"headers_file,omitempty"`
	// CAFile holds the CA of the endpoint's certificate, in PEM.
	CAFile string `yaml:"ca_file,omitempty"`
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
	// CAFile holds the CA of the endpoint's certificate, in PEM; ServerName is the name that it must have, "" for that of the URL.
	CAFile, ServerName string
}
