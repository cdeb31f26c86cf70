package kubernetes

import (
	"log/slog"

	"github.com/engramd/engramd/actuators"
)

// Platform is kubernetes' line of the registry.
func Platform() actuators.Platform {
	return actuators.Platform{
		NewSpec:   func() any { return new(Spec) },
		Check:     check,
		Open:      func(log *slog.Logger) (actuators.Driver, error) { return New(log), nil },
		Admission: "the kubelet",
		Find:      find,
		Probe:     probe,
	}
}
