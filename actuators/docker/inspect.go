package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/engramd/engramd/actuators"
)

// A container is what the daemon says of one: decoded as far as it is read, and whole.
type container struct {
	ID           string `json:"Id"`
	Name         string
	Image        string // the image's id
	RestartCount int64
	State        state
	Mounts       []mountPoint
	Config       config
	HostConfig   hostConfig
	Network      struct {
		Ports    map[string][]portBinding
		Networks map[string]endpoint
	} `json:"NetworkSettings"`

	// rawConfig and rawHostConfig are the same as JSON objects, with every field there is.
	rawConfig, rawHostConfig map[string]json.RawMessage
}

type state struct {
	Status                      string
	Running, Paused, Restarting bool
	OOMKilled, Dead             bool
	Pid                         int
	StartedAt                   string
	Health                      *struct{ Status string }
}

type mountPoint struct {
	Type, Name, Source, Destination, Driver, Mode string
	RW                                            bool
}

type config struct {
	Hostname    string
	Image       string // as somebody wrote it
	Labels      map[string]string
	Entrypoint  []string
	StopTimeout *int // seconds
}

type hostConfig struct {
	Binds             []string
	NetworkMode       string
	IpcMode           string
	PidMode           string
	UTSMode           string
	Links             []string
	VolumesFrom       []string
	AutoRemove        bool
	RestartPolicy     restartPolicy
	NanoCpus          int64
	CpuQuota          int64
	CpuPeriod         int64
	CpusetCpus        string
	CpusetMems        string
	Memory            int64
	MemorySwap        int64
	MemoryReservation int64
	CgroupParent      string
}

type restartPolicy struct {
	Name              string
	MaximumRetryCount int
}

type portBinding struct{ HostIp, HostPort string } //nolint:revive // the daemon's names

// An endpoint is a container's place in one network.
type endpoint struct {
	IPAMConfig json.RawMessage   `json:",omitempty"`
	Links      []string          `json:",omitempty"`
	Aliases    []string          `json:",omitempty"`
	DriverOpts map[string]string `json:",omitempty"`
	GwPriority int               `json:",omitempty"`
	MacAddress string            `json:",omitempty"`
	IPAddress  string            `json:",omitempty"`
	NetworkID  string            `json:",omitempty"`
}

func (e endpoint) networkIs(id string) bool { return id != "" && strings.HasPrefix(e.NetworkID, id) }

// errNoContainer says that the daemon knows no such container.
var errNoContainer = errors.New("no such container")

// inspect reads a container by name or id.
func (d *daemon) inspect(ctx context.Context, ref string) (container, error) {
	var c container
	err := d.call(ctx, "inspect container "+short(ref), readTimeout, func(ctx context.Context) error {
		text, err := d.exchange(ctx, http.MethodGet, "/containers/"+ref+"/json", nil, nil)
		if err != nil {
			return err
		}
		c, err = decodeContainer(text)
		return err
	})
	if errors.Is(err, actuators.ErrNotFound) {
		return container{}, fmt.Errorf("%w %s at %s", errNoContainer, short(ref), d.host)
	}
	return c, err
}

// named reads the container that has this name. The daemon would also take the name for the start of
// an id.
func (d *daemon) named(ctx context.Context, name string) (container, error) {
	c, err := d.inspect(ctx, name)
	if err == nil && c.name() != name {
		return container{}, fmt.Errorf("%w %s at %s", errNoContainer, name, d.host)
	}
	return c, err
}

func decodeContainer(text []byte) (container, error) {
	var c container
	if err := json.Unmarshal(text, &c); err != nil {
		return container{}, fmt.Errorf("the daemon's description of the container makes no sense: %w", err)
	}
	var raw struct{ Config, HostConfig map[string]json.RawMessage }
	if err := json.Unmarshal(text, &raw); err != nil {
		return container{}, fmt.Errorf("the daemon's description of the container makes no sense: %w", err)
	}
	c.rawConfig, c.rawHostConfig = raw.Config, raw.HostConfig
	if c.ID == "" || c.name() == "" || c.rawConfig == nil || c.rawHostConfig == nil {
		return container{}, errors.New("the daemon's description of the container lacks its id, name or configuration: is this a Docker daemon?")
	}
	return c, nil
}

func (c container) name() string { return strings.TrimPrefix(c.Name, "/") }

func (c container) startedAt() time.Time {
	at, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	if err != nil || at.Year() <= 1 {
		return time.Time{}
	}
	return at
}

func (c container) health() string {
	if c.State.Health == nil || c.State.Health.Status == "none" {
		return ""
	}
	return c.State.Health.Status
}

// short is an id as people read it.
func short(ref string) string {
	if len(ref) == 64 && !strings.ContainsAny(ref, "ghijklmnopqrstuvwxyz.-_") {
		return ref[:12]
	}
	return ref
}
