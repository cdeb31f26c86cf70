package docker

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/engramd/engramd/policy"
)

// platform is the driver's name and the key of its section in agent.yaml.
const platform = "docker"

// Spec is the docker section of a target.
type Spec struct {
	// Container is the container's name. An id would not survive a recreate.
	Container string `yaml:"container" json:"container"`
	// Host is the daemon's socket or URL; empty is $DOCKER_HOST, else /var/run/docker.sock.
	Host string `yaml:"host,omitempty" json:"host,omitempty"`
}

// names are the container names that Docker accepts.
var names = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// maxName bounds a container's name: with our suffix it must still be a host name's label or two.
const maxName = 200

func check(spec any) error {
	s, ok := spec.(*Spec)
	if !ok {
		return fmt.Errorf("docker: want a *docker.Spec, got %T", spec)
	}
	s.Container = strings.TrimPrefix(s.Container, "/")
	switch {
	case s.Container == "":
		return fmt.Errorf("docker: container is missing: give the container's name, as `docker ps` shows it")
	case len(s.Container) > maxName || !names.MatchString(s.Container):
		return fmt.Errorf("docker: container %.80q is not a container name: want at least two of letters, digits, _ . and -, as `docker ps` shows it", s.Container)
	}
	return s.checkHost()
}

// checkHost completes a bare socket path, and refuses what no daemon listens on.
func (s *Spec) checkHost() error {
	if s.Host == "" {
		return nil
	}
	if strings.HasPrefix(s.Host, "/") {
		s.Host = "unix://" + s.Host
	}
	u, err := url.Parse(s.Host)
	if err != nil {
		return fmt.Errorf("docker: host %.80q: %w", s.Host, err)
	}
	switch {
	case u.Scheme == "unix" && u.Path != "" && u.Host == "":
		return nil
	case u.Scheme == "tcp" && u.Host != "":
		return nil
	}
	return fmt.Errorf("docker: host %.80q: want unix:///path/to/docker.sock or tcp://address:port", s.Host)
}

// specOf returns the docker section of t.
func specOf(t policy.Target) (Spec, error) {
	switch s := t.Specs[platform].(type) {
	case *Spec:
		return *s, nil
	case Spec:
		return s, nil
	}
	return Spec{}, fmt.Errorf("target %s has no docker section", t.Name)
}
