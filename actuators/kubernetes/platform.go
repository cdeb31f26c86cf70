package kubernetes

import (
	"log/slog"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// Platform is kubernetes' line of the registry.
func Platform() actuators.Platform {
	return actuators.Platform{
		NewSpec:   func() any { return new(Spec) },
		Check:     check,
		Open:      func(log *slog.Logger) (actuators.Driver, error) { return New(log), nil },
		Admission: "the kubelet",
		Instead: map[policy.Resource]string{
			policy.CPUs: "the kubelet's own CPU and topology managers own the processors of pods: run it with --cpu-manager-policy=static and --topology-manager-policy=single-numa-node, and give the pod whole cores, requests equal to limits (QoS class Guaranteed)",
		},
		Find:  find,
		Probe: probe,
	}
}
