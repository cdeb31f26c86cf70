package api

import (
	"net/http"
	"time"
)

// A Health says whether the node serves.
type Health struct {
	Status string   `json:"status" enum:"ok,maintenance,read-only,damaged" desc:"damaged: at least one space"`
	Owner  string   `json:"maintenance_owner,omitempty"`
	Faults []string `json:"faults,omitempty" desc:"what is wrong"`
	// StartedAt tells one life of the node from another.
	StartedAt time.Time `json:"started_at" desc:"since when this process serves the node: what was set over this API since then holds"`
}

func probeRoutes(metrics http.Handler) []route {
	routes := []route{{
		method: "GET", path: "/health", does: "Whether the node serves; in maintenance mode too", free: true,
		out: Health{}, handle: (*exchange).health,
	}}
	routes = append(routes, route{
		method: "GET", path: "/openapi.json", does: "This document", free: true, outMedia: mediaJSON,
		handle: func(x *exchange) error {
			x.write(http.StatusOK, headerJSON, x.api.document())
			return nil
		},
	})
	return append(routes, route{
		method: "GET", path: "/metrics", needs: Read, does: "Metrics: as JSON, or in Prometheus' formats for who asks for them", free: true, outMedia: "text/plain",
		params: []param{{
			name: "format", desc: "what is wanted, whatever Accept says", of: "", enum: []string{"json", "prometheus", "openmetrics", "protobuf"},
		}},
		handle: func(x *exchange) error {
			metrics.ServeHTTP(x.w, x.r)
			return nil
		},
	})
}

// health is 503 only where nothing can be read.
func (x *exchange) health() error {
	n := x.api.node
	h := Health{Status: "ok", StartedAt: x.api.started}
	spaces := n.Store().Spaces()
	damaged := 0
	for _, s := range spaces {
		if s.Err != nil {
			damaged++
			h.Status, h.Faults = "damaged", append(h.Faults, s.Err.Error())
		}
	}
	if err := n.Store().Stats().ReadOnly; err != nil {
		h.Status, h.Faults = "read-only", append(h.Faults, err.Error())
	}
	if holds := n.Maintenance(); len(holds) > 0 && h.Status == "ok" {
		h.Status, h.Owner = "maintenance", holds[0].Owner
	}
	if len(spaces) == 0 || damaged == len(spaces) {
		return problem(http.StatusServiceUnavailable, "damaged", "no space can be read: %v", h.Faults)
	}
	return x.answer(http.StatusOK, h)
}
