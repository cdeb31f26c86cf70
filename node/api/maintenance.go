package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/engramd/engramd/node"
)

// A MaintenanceRequest switches maintenance mode on or off for an owner.
type MaintenanceRequest struct {
	Owner  string   `json:"owner,omitempty" desc:"operator if absent"`
	TTL    Duration `json:"ttl,omitzero" desc:"as 30s: when it ends by itself; never if absent"`
	Reason string   `json:"reason,omitempty" desc:"for the log"`
	Force  bool     `json:"force,omitzero" desc:"to disable: ends everybody's"`
}

// A Maintenance says whether the node takes writes. It takes none while anybody holds it in maintenance mode.
type Maintenance struct {
	Enabled        bool        `json:"enabled"`
	Owner          string      `json:"owner,omitempty" desc:"who holds it the longest"`
	Since          time.Time   `json:"since,omitzero"`
	Until          time.Time   `json:"until,omitzero" desc:"absent: until it is disabled"`
	Holds          []node.Hold `json:"holds,omitempty" desc:"all who hold it"`
	InFlightWrites int64       `json:"in_flight_writes" desc:"that began before"`
	InFlightReads  int64       `json:"in_flight_reads"`
}

var maintenanceRoutes = []route{
	{
		method: "GET", path: prefix + "/admin/maintenance", needs: Read, does: "Whether the node is in maintenance mode, and what is under way",
		params: []param{paramTimeout}, out: Maintenance{},
		handle: func(x *exchange) error { return x.maintenance(x.api.node.Maintenance()) },
	},
	{
		method: "POST", path: prefix + "/admin/maintenance/enable", needs: Admin,
		does:   "New writes get 503, what is in flight finishes, reads go on. The same owner may renew it",
		params: []param{paramTimeout}, in: MaintenanceRequest{}, optional: true, out: Maintenance{}, example: `{"owner":"engramd","ttl":"10m","reason":"resize"}`,
		handle: (*exchange).enableMaintenance,
	},
	{
		method: "POST", path: prefix + "/admin/maintenance/disable", needs: Admin, does: "End an owner's maintenance; 409 while only others hold it",
		params: []param{paramTimeout}, in: MaintenanceRequest{}, optional: true, out: Maintenance{}, example: `{"owner":"engramd"}`,
		handle: (*exchange).disableMaintenance,
	},
}

func (x *exchange) maintenance(holds []node.Hold) error {
	m := Maintenance{Enabled: len(holds) > 0, Holds: holds}
	m.InFlightReads, m.InFlightWrites = x.api.node.InFlight()
	if m.Enabled {
		m.Owner, m.Since, m.Until = holds[0].Owner, holds[0].Since, holds[0].Until
	}
	return x.answer(http.StatusOK, m)
}

func (x *exchange) readMaintenance() (in MaintenanceRequest, err error) {
	if err := x.readJSON(maxAdminBody, true, &in); err != nil {
		return in, err
	}
	if in.TTL < 0 {
		return in, invalid("ttl", "is negative")
	}
	return in, checkText("owner", in.Owner, "reason", in.Reason)
}

// checkText keeps control characters and novels out of logs and files.
func checkText(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if len(pairs[i+1]) > 200 {
			return invalid(pairs[i], "is longer than 200 bytes")
		}
		if strings.ContainsFunc(pairs[i+1], func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return invalid(pairs[i], "has a control character")
		}
	}
	return nil
}

func (x *exchange) enableMaintenance() error {
	in, err := x.readMaintenance()
	if err != nil {
		return err
	}
	holds, err := x.api.node.EnableMaintenance(in.Owner, time.Duration(in.TTL))
	if err != nil {
		return err
	}
	x.api.log.Info("maintenance mode is on", "owner", in.Owner, "ttl", time.Duration(in.TTL), "reason", in.Reason)
	return x.maintenance(holds)
}

func (x *exchange) disableMaintenance() error {
	in, err := x.readMaintenance()
	if err != nil {
		return err
	}
	before := x.api.node.Maintenance()
	left, err := x.api.node.DisableMaintenance(in.Owner, in.Force)
	switch {
	case err != nil:
		return err
	case len(left) > 0 && len(left) == len(before):
		return problem(http.StatusConflict, "owned", "maintenance mode is on for %s", owners(left)).
			withRemedy("name that owner, or say force: true")
	}
	x.api.log.Info("maintenance mode was given up", "owner", in.Owner, "force", in.Force, "left", len(left), "reason", in.Reason)
	return x.maintenance(left)
}

func owners(holds []node.Hold) string {
	names := make([]string, len(holds))
	for i, h := range holds {
		names[i] = h.Owner
	}
	return strings.Join(names, ", ")
}
