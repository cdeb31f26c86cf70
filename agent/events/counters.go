package events

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// counters tell what became of events.
type counters struct{ delivered, dropped *prometheus.CounterVec }

func newCounters(registry prometheus.Registerer) (*counters, error) {
	c := &counters{
		delivered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "engramd_events_delivered_total", Help: "Events that a receiver took.",
		}, []string{"receiver"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "engramd_events_dropped_total", Help: "Events that a receiver did not get, by why.",
		}, []string{"receiver", "reason"}),
	}
	if err := errors.Join(registry.Register(c.delivered), registry.Register(c.dropped)); err != nil {
		return nil, fmt.Errorf("register the metrics of events: %w", err)
	}
	return c, nil
}
