package config

// Listen is where the agent and the embedded node answer, as host:port.
type Listen struct {
	// Agent serves the API, the Prometheus query API and /metrics.
	Agent string `yaml:"agent"`
	// Node is the API of the embedded memory node, if it is enabled.
	Node string `yaml:"node"`
	// Metrics serves only /health, /-/healthy, /-/ready and /metrics, for probes and scrapers; none if
	// empty. It may listen beyond loopback without a token: it shows numbers and changes nothing.
	Metrics string `yaml:"metrics,omitempty"`
	// Insecure allows to listen beyond loopback without a token file or TLS client certificates. Where
	// it is not said, ENGRAMD_INSECURE=1 in the environment says it.
	Insecure bool `yaml:"insecure,omitempty"`
}

// Auth says who may call the API.
type Auth struct {
	// TokenFile holds bearer tokens, one a line, as name:role:token; the roles are read, write
	// (memories of the node), approve and admin. Where none is named, ENGRAMD_TOKEN_FILE in the
	// environment may name one.
	TokenFile string `yaml:"token_file,omitempty"`
}

// TLS serves the API over TLS, and asks clients for certificates if a CA for them is named.
type TLS struct {
	// CertFile is the server's certificate, in PEM.
	CertFile string `yaml:"cert_file,omitempty"`
	// KeyFile is the key of cert_file, in PEM.
	KeyFile string `yaml:"key_file,omitempty"`
	// ClientCAFile holds the CAs whose client certificates are let in, in PEM.
	ClientCAFile string `yaml:"client_ca_file,omitempty"`
}

// Log says what is logged to standard error.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level" oneof:"debug info warn error"`
	// Format is text or json.
	Format string `yaml:"format" oneof:"text json"`
}
