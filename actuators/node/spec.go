package node

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/engramd/engramd/policy"
)

// platform is the driver's name and the key of its section in agent.yaml.
const platform = "node"

// Spec is the node section of a target.
type Spec struct {
	// URL is where the node answers, as http://127.0.0.1:7432. Its /metrics is scraped.
	URL string `yaml:"url" json:"url"`
	// TokenFile holds a token with the role admin, where the node asks for one.
	TokenFile string `yaml:"token_file,omitempty" json:"token_file,omitempty"`
	// CAFile holds the CA of the node's certificate, or that certificate itself, in PEM; without it the system's are trusted.
	CAFile string `yaml:"ca_file,omitempty" json:"ca_file,omitempty"`
	// ServerName is the name that the node's certificate must have; without it that of the URL.
	ServerName string `yaml:"server_name,omitempty" json:"server_name,omitempty"`
	// CertFile is the certificate of this client, in PEM, where the node asks for one.
	CertFile string `yaml:"cert_file,omitempty" json:"cert_file,omitempty"`
	// KeyFile is the key of cert_file, in PEM.
	KeyFile string `yaml:"key_file,omitempty" json:"key_file,omitempty"`
}

// Files lists the paths that the section names, so that relative ones can be made relative to the file that holds it.
func (s *Spec) Files() []*string { return []*string{&s.TokenFile, &s.CAFile, &s.CertFile, &s.KeyFile} }

func check(spec any) error {
	s, ok := spec.(*Spec)
	if !ok {
		return fmt.Errorf("node: want a *node.Spec, got %T", spec)
	}
	s.URL = strings.TrimRight(s.URL, "/")
	if s.URL == "" {
		return errors.New("node: url is missing: give the address of the node, as http://127.0.0.1:7432")
	}
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("node: url %.80q: want http://host:port or https://host:port", s.URL)
	case u.User != nil:
		return errors.New("node: url holds a password: give a token_file instead")
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("node: url %.80q has more than the address of the node: want %s://%s", s.URL, u.Scheme, u.Host)
	case (s.CertFile == "") != (s.KeyFile == ""):
		return errors.New("node: cert_file and key_file go together: give both or none")
	case u.Scheme == "http" && (s.CAFile != "" || s.CertFile != "" || s.ServerName != ""):
		return errors.New("node: ca_file, server_name and cert_file are for https, and url begins with http://")
	}
	return nil
}

// address is the host and the port of the node, written in one way only.
func (s Spec) address() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return s.URL
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		host = "127.0.0.1"
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(host, port)
}

// specOf returns the node section of t.
func specOf(t policy.Target) (Spec, error) {
	switch s := t.Specs[platform].(type) {
	case *Spec:
		return *s, nil
	case Spec:
		return s, nil
	}
	return Spec{}, fmt.Errorf("target %s has no node section", t.Name)
}
