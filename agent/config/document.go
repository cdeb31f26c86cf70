package config

import (
	"os"
	"time"

	"github.com/engramd/engramd/policy"
)

// A document is agent.yaml as it is written, with every default. [Config] is made of it, [Show] writes
// it, and the schema and the reference are made from its types and comments.
type document struct {
	// Version is the version of this format: 1.
	Version int `yaml:"version"`
	// DataDir holds the journal, the metric history and the node's data. A relative path is relative to
	// the working directory.
	DataDir string `yaml:"data_dir"`
	// Mode says how far the agent may go by itself: dry-run shows what it would do, approve asks a
	// person, auto acts. A target and a policy may say otherwise, the most specific wins; but dry-run
	// here caps all.
	Mode policy.Mode `yaml:"mode" oneof:"dry-run approve auto"`
	// Discover watches what runs on this host when engramd starts, beside the targets that are named: in
	// mode approve, with a policy that proposes and changes nothing before a person said yes.
	Discover bool `yaml:"discover,omitempty"`
	// Listen is where the agent and the embedded node answer, as host:port.
	Listen Listen `yaml:"listen"`
	// Auth says who may call the API.
	Auth Auth `yaml:"auth,omitempty"`
	// TLS serves the API over TLS.
	TLS TLS `yaml:"tls,omitempty"`
	// Log says what is logged to standard error.
	Log Log `yaml:"log"`
	// Node are the options of the embedded memory node.
	Node Node `yaml:"node"`
	// Metrics says where samples come from and how long they are kept.
	Metrics metricsSection `yaml:"metrics"`
	// MaintenanceWindows are the stretches of time in which restarts may happen.
	MaintenanceWindows []windowSection `yaml:"maintenance_windows,omitempty"`
	// Targets are the services to keep the right size.
	Targets []targetSection `yaml:"targets,omitempty"`
	// Policies say when a target should change, and how.
	Policies []policySection `yaml:"policies,omitempty"`
	// Rules are Prometheus rules to evaluate, and what follows from their alerts.
	Rules rulesSection `yaml:"rules"`
	// Validation says how every change is watched; a target may say otherwise.
	Validation validationSection `yaml:"validation"`
	// Safety bounds what may happen; a target may say otherwise.
	Safety safetySection `yaml:"safety"`
	// Events are where events go, beside the metrics and data_dir/events.jsonl.
	Events Events `yaml:"events"`
	// Report says at regular times what targets used and should have; none if absent.
	Report *Report `yaml:"report,omitempty"`
}

// newDocument returns what holds where a file says nothing. The numbers are the guides' where they
// have one.
func newDocument() *document {
	return &document{
		DataDir: "./.engramd",
		Mode:    policy.Approve,
		Listen:  Listen{Agent: "127.0.0.1:9090", Node: "127.0.0.1:7432", Insecure: os.Getenv("ENGRAMD_INSECURE") == "1"},
		Auth:    Auth{TokenFile: os.Getenv("ENGRAMD_TOKEN_FILE")},
		Log:     Log{Level: "info", Format: "text"},
		Node:    defaultNode(),
		Metrics: metricsSection{Interval: 15 * time.Second, Timeout: 10 * time.Second, Retention: 15 * 24 * time.Hour},
		Rules:   rulesSection{Interval: 15 * time.Second},
		// The guide waits 30 seconds for what is in flight and watches for 30 minutes.
		Validation: defaultValidation(),
		Safety:     defaultSafety(),
		Events:     Events{File: EventFile{MaxBytes: 64 << 20, Keep: 5}},
	}
}
