package events

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/engramd/engramd/policy"
)

// A Config says where events go. The log always gets them.
type Config struct {
	// Dir is data_dir, where events.jsonl is kept; "" writes no file.
	Dir string
	// MaxBytes is when the file is rotated, Keep how many rotated ones stay.
	MaxBytes int64
	Keep     int
	// Alertmanager and Webhook are receivers over HTTP; nil for none.
	Alertmanager *Receiver
	Webhook      *Receiver
	// Source tells this agent's events from those of others (CloudEvents' source, the alerts' label
	// instance): "host.example", mostly the host's name.
	Source string
	// ConsoleURL is where a person finds the agent, put into alerts; "" if nobody knows.
	ConsoleURL string
}

// A Receiver is one HTTP receiver.
type Receiver struct {
	// URL is the base URL of an Alertmanager, or the full URL of a webhook.
	URL string
	// HeadersFile holds headers to send, one "Name: value" a line.
	HeadersFile string
	// CAFile holds the CA of the receiver's certificate, in PEM.
	CAFile string
	// Timeout bounds one try of one delivery.
	Timeout time.Duration
	// MinSeverity is the least severity that is sent.
	MinSeverity policy.Severity
}

// EnsureDefaults fills what is not set.
func (c *Config) EnsureDefaults() {
	if c.MaxBytes <= 0 {
		c.MaxBytes = 10 << 20
	}
	if c.Keep <= 0 {
		c.Keep = 3
	}
	if c.Source == "" {
		c.Source = "engramd"
	}
	for _, r := range []*Receiver{c.Alertmanager, c.Webhook} {
		if r != nil && r.Timeout <= 0 {
			r.Timeout = 10 * time.Second
		}
		if r != nil && r.MinSeverity == "" {
			r.MinSeverity = policy.Info
		}
	}
}

// Validate reports every fault.
func (c *Config) Validate() error {
	return errors.Join(c.Alertmanager.validate("alertmanager"), c.Webhook.validate("webhook"))
}

func (r *Receiver) validate(what string) error {
	if r == nil {
		return nil
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("events: %s url %q: want http://host:port or https://host:port", what, r.URL)
	}
	return nil
}
