package fake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/engramd/engramd/actuators"
)

// maintenance is a service's maintenance mode, which survives its restart.
type maintenance struct {
	owner string
	since time.Time
	until time.Time
}

func (m maintenance) onAt(now time.Time) bool { return now.Before(m.until) }

// A transport answers requests to http://<service>/health, /maintenance, /maintenance/enable and
// /maintenance/disable out of the model.
type transport struct{ d *Driver }

// Transport returns the services' HTTP side.
func (d *Driver) Transport() http.RoundTripper { return transport{d} }

// Drain returns the drain of a service for its procedure.
func Drain(name string, settle time.Duration) *actuators.Drain {
	base := "http://" + name + "/maintenance"
	return &actuators.Drain{
		Enable:   actuators.Request{Method: "POST", URL: base + "/enable"},
		Disable:  actuators.Request{Method: "POST", URL: base + "/disable"},
		Status:   &actuators.Request{Method: "GET", URL: base},
		InFlight: "in_flight(" + name + ")", Settle: settle,
	}
}

// Health returns the health request of a service.
func Health(name string, timeout time.Duration) *actuators.Request {
	return &actuators.Request{Method: "GET", URL: "http://" + name + "/health", Timeout: timeout}
}

// Maintenance says who has a service's maintenance mode on, "" for nobody.
func (d *Driver) Maintenance(name string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m := d.services[name].held; m.onAt(time.Now()) {
		return m.owner
	}
	return ""
}

// Hold switches a service's maintenance mode on, as a person would.
func (d *Driver) Hold(name, owner string, ttl time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.services[name].held = maintenance{owner: owner, since: time.Now(), until: time.Now().Add(ttl)}
}

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		defer req.Body.Close()
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	status, answer := http.StatusOK, ""
	err := t.d.faulty(req.Context(), "http", req.URL.Path, func() (err error) {
		status, answer, err = t.d.serve(req.URL.Host, req.URL.Path, body)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Body: io.NopCloser(strings.NewReader(answer)), Header: http.Header{}, Request: req,
	}, nil
}

func (d *Driver) serve(name, path string, body []byte) (int, string, error) {
	sv, c := d.find(name)
	if c == nil || !c.running {
		return 0, "", fmt.Errorf("connect to %s: %w", name, errors.New("connection refused"))
	}
	now := time.Now()
	switch path {
	case "/health":
		if health := sv.health(c); health != "healthy" {
			return http.StatusServiceUnavailable, health, nil
		}
	case "/maintenance/enable":
		var ask struct{ Owner, TTL string }
		if json.Unmarshal(body, &ask) != nil || ask.TTL == "" {
			return http.StatusBadRequest, "want owner and ttl", nil
		}
		ttl, err := time.ParseDuration(ask.TTL)
		if err != nil {
			return http.StatusBadRequest, err.Error(), nil
		}
		if sv.held.onAt(now) && sv.held.owner != ask.Owner {
			return http.StatusConflict, "held by " + sv.held.owner, nil
		}
		if !sv.held.onAt(now) {
			sv.held = maintenance{owner: ask.Owner, since: now}
		}
		sv.held.until = now.Add(ttl)
	case "/maintenance/disable":
		sv.held = maintenance{}
	case "/maintenance":
		on := sv.held.onAt(now)
		answer := map[string]any{"enabled": on}
		if on {
			answer["owner"] = sv.held.owner
		}
		b, err := json.Marshal(answer)
		return http.StatusOK, string(b), err
	default:
		return http.StatusNotFound, "", nil
	}
	return http.StatusOK, "ok", nil
}

// Wait blocks until done reports true, looking every second, a little off the full one: for tests in
// virtual time.
func Wait(ctx context.Context, done func() bool) error {
	for pause := 370 * time.Millisecond; !done(); pause = time.Second {
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		}
	}
	return nil
}
