package fake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/engramd/engramd/actuators"
)

// Platform returns the registry entry of d, so that a whole agent can run against it:
//
//	targets: [{name: web, fake: {service: web}}]
func Platform(d *Driver) actuators.Platform {
	return actuators.Platform{
		NewSpec: func() any { return &Spec{} },
		Check: func(spec any) error {
			if s, ok := spec.(*Spec); !ok || s.Service == "" {
				return errors.New("fake: service is missing: name the service")
			}
			return nil
		},
		Open:  func(*slog.Logger) (actuators.Driver, error) { return d, nil },
		Find:  d.list,
		Probe: d.probe,
	}
}

func (d *Driver) list(context.Context) ([]actuators.Found, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []actuators.Found
	for name := range d.services {
		found = append(found, actuators.Found{Name: name, Spec: &Spec{Service: name}, Note: "in memory"})
	}
	slices.SortFunc(found, func(a, b actuators.Found) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

func (d *Driver) probe(ctx context.Context) []actuators.Finding {
	found, err := d.list(ctx)
	if err != nil {
		return []actuators.Finding{{What: "fake platform", Detail: err.Error()}}
	}
	return []actuators.Finding{{What: "fake platform", OK: true, Detail: fmt.Sprintf("%d services", len(found))}}
}
