package systemd

import (
	"context"
	"log/slog"

	"github.com/engramd/engramd/actuators"
)

// Platform is systemd's line of the registry.
func Platform() actuators.Platform {
	return actuators.Platform{
		NewSpec: func() any { return new(Spec) },
		Check:   check,
		Open:    func(log *slog.Logger) (actuators.Driver, error) { return New(log), nil },
		Find:    func(ctx context.Context) ([]actuators.Found, error) { return New(nil).find(ctx) },
		Probe:   func(ctx context.Context) []actuators.Finding { return New(nil).probe(ctx) },
	}
}
