package node

import (
	"log/slog"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// Platform is the node's line of the registry.
func Platform() actuators.Platform {
	return actuators.Platform{
		NewSpec: func() any { return new(Spec) },
		Check:   check,
		Open:    func(log *slog.Logger) (actuators.Driver, error) { return New(log), nil },
		Instead: map[policy.Resource]string{
			policy.Storage:  "a node does not make its disk larger: name the volume that it is on as well",
			policy.Replicas: "a node is one process",
			policy.CPUs:     "a node is kept to processors by the threading of its own configuration, or by the platform that runs it",
		},
	}
}
