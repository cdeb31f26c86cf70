package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// nodePort is where a memory node listens in its container.
const nodePort = "7432/tcp"

// find lists the running containers that could be targets.
func find(ctx context.Context, host string) ([]actuators.Found, error) {
	d, err := dial(host)
	if err != nil {
		return nil, err
	}
	defer d.close()
	running, err := d.list(ctx, false)
	if err != nil {
		return nil, err
	}
	var found []actuators.Found
	for _, s := range running {
		if s.Labels[labelSwarmTask] != "" || s.Labels[labelPod] != "" || strings.Contains(s.name(), keptInfix) {
			continue
		}
		c, err := d.inspect(ctx, s.ID)
		if errors.Is(err, errNoContainer) {
			continue // it ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		found = append(found, actuators.Found{
			Name: c.name(), Spec: &Spec{Container: c.name(), Host: host}, Note: noteOn(c),
			HealthURL: c.published(nodePort, "/health"), MetricsURL: c.metricsURL(),
		})
	}
	slices.SortFunc(found, func(a, b actuators.Found) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// noteOn says what a person wants to know of a container before it becomes a target.
func noteOn(c container) string {
	limit := func(r policy.Resource, q policy.Quantity) string {
		if _, limited := q.Amount(); !limited {
			return "no " + string(r) + " limit"
		}
		return string(r) + " " + r.Format(q)
	}
	note := fmt.Sprintf("image %s, %s, %s", c.Config.Image,
		limit(policy.CPU, cpuOf(c.HostConfig).quantity()), limit(policy.Memory, memoryOf(c.HostConfig).quantity()))
	if service := c.Config.Labels[labelCompose]; service != "" {
		note += ", compose service " + service
	}
	if c.HostConfig.AutoRemove {
		note += ", started with --rm: live changes only"
	}
	return note
}

// metricsURL follows the labels that Prometheus' users put on containers, else knows a memory node by
// its port.
func (c container) metricsURL() string {
	port := c.Config.Labels["prometheus.io/port"]
	if port == "" {
		return c.published(nodePort, "/metrics")
	}
	path := c.Config.Labels["prometheus.io/path"]
	if !strings.HasPrefix(path, "/") {
		path = "/metrics"
	}
	return c.published(port+"/tcp", path)
}

// published is the URL of a port of the container on this host, "" if it is not published.
func (c container) published(port, path string) string {
	if c.HostConfig.NetworkMode == "host" {
		if c.exposes(port) {
			return "http://127.0.0.1:" + strings.TrimSuffix(port, "/tcp") + path
		}
		return ""
	}
	for _, b := range c.Network.Ports[port] {
		if b.HostPort == "" {
			continue
		}
		ip := net.ParseIP(b.HostIp)
		if ip == nil || ip.IsUnspecified() {
			ip = net.IPv4(127, 0, 0, 1)
		}
		return "http://" + net.JoinHostPort(ip.String(), b.HostPort) + path
	}
	return ""
}

func (c container) exposes(port string) bool {
	return strings.Contains(string(c.rawConfig["ExposedPorts"]), `"`+port+`"`)
}
