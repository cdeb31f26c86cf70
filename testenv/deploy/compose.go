package deploy

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/policy"
)

// A Compose is a compose file, as far as deploy/compose.yaml goes: what is not here is a fault, so that no line of the file
// goes untested.
type Compose struct {
	Name     string
	Services map[string]Service
	Configs  map[string]source
	Secrets  map[string]source
	Volumes  map[string]*struct{}

	dir string // of the file
}

type source struct{ File string }

// A Service is one service of a compose file.
type Service struct {
	Image         string
	ContainerName string `yaml:"container_name"`
	Command       []string
	Environment   map[string]string
	Secrets       []string
	Configs       []struct{ Source, Target string }
	Ports         []string
	Volumes       []string
	PID           string `yaml:"pid"`
	Cgroup        string
	GroupAdd      []string `yaml:"group_add"`
	CPUs          float64  `yaml:"cpus"`
	MemLimit      string   `yaml:"mem_limit"`
	MemswapLimit  string   `yaml:"memswap_limit"`
	ReadOnly      bool     `yaml:"read_only"`
	CapDrop       []string `yaml:"cap_drop"`
	SecurityOpt   []string `yaml:"security_opt"`
	Restart       string
	DependsOn     map[string]struct{ Condition string } `yaml:"depends_on"`
}

// variable is ${NAME} or ${NAME:-default}.
var variable = regexp.MustCompile(`\$\{(\w+)(?::-([^}]*))?\}`)

// ReadCompose reads a compose file that is in a directory, with the variables of its surroundings.
func ReadCompose(text []byte, dir string, env map[string]string) (Compose, error) {
	expanded := variable.ReplaceAllStringFunc(string(text), func(all string) string {
		found := variable.FindStringSubmatch(all)
		if value := env[found[1]]; value != "" {
			return value
		}
		return found[2]
	})
	c := Compose{dir: dir}
	if err := yaml.UnmarshalWithOptions([]byte(expanded), &c, yaml.Strict()); err != nil {
		return c, fmt.Errorf("read the compose file: %w", err)
	}
	return c, nil
}

// Create asks of Docker what `docker compose up` would ask for one service, in a network that all share.
func (c Compose) Create(name, inNetwork string) (client.ContainerCreateOptions, error) {
	s, ok := c.Services[name]
	if !ok {
		return client.ContainerCreateOptions{}, fmt.Errorf("there is no service %q", name)
	}
	o := client.ContainerCreateOptions{
		Name:   s.ContainerName,
		Config: &container.Config{Image: s.Image, Cmd: s.Command},
		HostConfig: &container.HostConfig{
			NetworkMode: container.NetworkMode(inNetwork), Binds: slices.Concat(s.Volumes, c.files(s)), PidMode: container.PidMode(s.PID),
			CgroupnsMode: container.CgroupnsMode(s.Cgroup), GroupAdd: s.GroupAdd, ReadonlyRootfs: s.ReadOnly, CapDrop: s.CapDrop,
			SecurityOpt: s.SecurityOpt, RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(s.Restart)},
		},
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{inNetwork: {Aliases: []string{name}}}},
	}
	if o.Name == "" {
		o.Name = c.Name + "-" + name + "-1"
	}
	for key, value := range s.Environment {
		o.Config.Env = append(o.Config.Env, key+"="+value)
	}
	return o, s.limit(o.HostConfig)
}

// limit gives the container its size and its ports.
func (s Service) limit(h *container.HostConfig) error {
	h.NanoCPUs = int64(s.CPUs * 1e9)
	var err error
	if h.Memory, err = bytes(s.MemLimit); err == nil {
		h.MemorySwap, err = bytes(s.MemswapLimit)
	}
	if err != nil {
		return err
	}
	h.PortBindings = network.PortMap{}
	for _, p := range s.Ports {
		parts := strings.Split(p, ":")
		if len(parts) != 3 {
			return fmt.Errorf("port %s: want address:port:port", p)
		}
		ip, err := netip.ParseAddr(parts[0])
		if err != nil {
			return fmt.Errorf("port %s: %w", p, err)
		}
		port, err := network.ParsePort(parts[2] + "/tcp")
		if err != nil {
			return fmt.Errorf("port %s: %w", p, err)
		}
		h.PortBindings[port] = []network.PortBinding{{HostIP: ip, HostPort: parts[1]}}
	}
	return nil
}

// bytes reads a size as Docker does, for which g is a gibibyte; "" is none.
func bytes(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	q, err := policy.ParseQuantity(policy.Memory, strings.ToUpper(text)+"i")
	n, _ := q.Amount()
	return n, err
}

// files mounts the service's configs and secrets.
func (c Compose) files(s Service) []string {
	var binds []string
	for _, one := range s.Configs {
		binds = append(binds, filepath.Join(c.dir, c.Configs[one.Source].File)+":"+one.Target+":ro")
	}
	for _, name := range s.Secrets {
		binds = append(binds, filepath.Join(c.dir, c.Secrets[name].File)+":/run/secrets/"+name+":ro")
	}
	return binds
}
