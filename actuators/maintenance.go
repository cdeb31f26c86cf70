package actuators

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Maintenance that we hold ends by itself after holdTTL if we die; until then it is renewed.
const (
	holdTTL   = 5 * time.Minute
	holdRenew = time.Minute
	ownerName = "engramd"
)

// A hold is the body of the request that switches maintenance on.
type hold struct {
	Owner  string `json:"owner"`
	TTL    string `json:"ttl,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func owner(action string) string { return ownerName + ":" + action }

func holdRequest(action string) hold {
	return hold{Owner: owner(action), TTL: holdTTL.String(), Reason: "engramd restarts this service to resize it"}
}

func releaseRequest(action string) hold { return hold{Owner: owner(action)} }

// maintenanceState is what drain.status told.
type maintenanceState struct {
	on    bool
	owner string // "" if it does not tell
}

// ours reports whether we switched it on. A service that tells no owner leaves it to our journal.
func (m maintenanceState) ours(action string) bool {
	return m.owner == owner(action)
}

func (m maintenanceState) who() string {
	if m.owner == "" {
		return "somebody else"
	}
	return m.owner
}

// maintenance asks who has maintenance on. Without a status request nobody is assumed to.
func (r *run) maintenance(ctx context.Context, d Drain) (maintenanceState, error) {
	if d.Status == nil {
		return maintenanceState{}, nil
	}
	var m maintenanceState
	err := r.thrice(ctx, func(ctx context.Context) error {
		body, err := r.x.expect(ctx, *d.Status, nil)
		if err != nil {
			return err
		}
		m, err = parseMaintenance(body)
		return err
	})
	if err == nil && m.on && m.owner == "" && r.a.MaintenanceOn {
		m.owner = owner(r.a.ID) // our journal says that we did, and nobody contradicts
	}
	return m, err
}

// parseMaintenance reads {"enabled": true, "owner": "..."}; maintenance, active and on are accepted
// for enabled, and so is a mode, state or status of on, off, enabled, disabled, maintenance, normal.
func parseMaintenance(body []byte) (maintenanceState, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return maintenanceState{}, fmt.Errorf(`maintenance status: want JSON like {"enabled": false}: %w`, err)
	}
	m := maintenanceState{owner: textField(fields, "owner")}
	for _, name := range []string{"enabled", "maintenance", "active", "on"} {
		var on *bool // null says nothing
		if json.Unmarshal(fields[name], &on) == nil && on != nil {
			m.on = *on
			return m, nil
		}
	}
	for _, name := range []string{"mode", "state", "status"} {
		switch strings.ToLower(textField(fields, name)) {
		case "on", "enabled", "maintenance", "active":
			m.on = true
			return m, nil
		case "off", "disabled", "normal", "inactive", "ok":
			return m, nil
		}
	}
	return maintenanceState{}, fmt.Errorf(`maintenance status: %.80q does not say whether it is on: want {"enabled": false}`, body)
}

func textField(fields map[string]json.RawMessage, name string) string {
	var text string
	if raw, ok := fields[name]; ok && json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// A renewal keeps maintenance on while its owner lives.
type renewal struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// renew repeats enable until it is stopped. A failed one is repeated at the next turn: during the
// restart itself nobody answers.
func renew(ctx context.Context, enable func(context.Context) error) *renewal {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n := &renewal{cancel: cancel}
	n.done.Go(func() {
		for sleep(ctx, holdRenew) == nil {
			_ = enable(ctx) // the next turn tries again, and ttl bounds what is missed
		}
	})
	return n
}

// stopRenewing ends the renewal and waits for it, so that none comes after maintenance is off.
func (r *run) stopRenewing() {
	if r.renews != nil {
		r.renews.cancel()
		r.renews.done.Wait()
		r.renews = nil
	}
}
