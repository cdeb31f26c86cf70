package config

import "time"

// Events are where events go beside the metrics and data_dir/events.jsonl.
type Events struct {
	// File rotates data_dir/events.jsonl.
	File EventFile `yaml:"file"`
	// Alertmanager takes events as alerts (v2 API); none if absent.
	Alertmanager *Sink `yaml:"alertmanager,omitempty"`
	// Webhook takes events as CloudEvents; none if absent.
	Webhook *Sink `yaml:"webhook,omitempty"`
}

// EventFile bounds data_dir/events.jsonl.
type EventFile struct {
	// MaxBytes is when the file is rotated.
	MaxBytes Bytes `yaml:"max_size"`
	// Keep is how many rotated files stay.
	Keep int `yaml:"keep"`
}

// A Sink is one HTTP receiver of events.
type Sink struct {
	// URL is the base URL of an Alertmanager, or the full URL of a webhook.
	URL string `yaml:"url"`
	// HeadersFile holds headers to send, one "Name: value" a line.
	HeadersFile string `yaml:"headers_file,omitempty"`
	// CAFile holds the CA of the receiver's certificate, in PEM.
	CAFile string `yaml:"ca_file,omitempty"`
	// Timeout bounds one delivery.
	Timeout time.Duration `yaml:"timeout"`
	// MinSeverity is the least severity that is sent: info, warning or critical.
	MinSeverity string `yaml:"min_severity" oneof:"info warning critical"`
}

func (s *Sink) setDefaults() { s.Timeout, s.MinSeverity = 10*time.Second, "info" }
