package node

import (
	"context"
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
		// Nodes are named: the embedded one is a target by itself.
		Find:  func(context.Context) ([]actuators.Found, error) { return nil, nil },
		Probe: func(ctx context.Context) []actuators.Finding { return probe(ctx, usual) },
	}
}

// usual is where a node answers unless somebody says otherwise.
const usual = "http://127.0.0.1:7432"

// probe asks whether a node answers. That none does is no fault: engramd run brings its own.
func probe(ctx context.Context, at string) []actuators.Finding {
	f := actuators.Finding{What: "memory node", OK: true, Detail: "none answers at " + at + " now; engramd run serves one there if node.enabled is true"}
	c, err := newClient(Spec{URL: at})
	if err != nil {
		return nil
	}
	defer c.http.CloseIdleConnections()
	h, err := get[health](ctx, c, healthPath)
	if err == nil && h.Status != "" {
		f.Detail = "one answers at " + at + ": " + h.Status
	}
	return []actuators.Finding{f}
}
