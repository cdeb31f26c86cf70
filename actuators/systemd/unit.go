package systemd

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// A unit is what systemd says of one, decoded as far as it is read.
type unit struct {
	Name       string // the primary one; what the target says may be an alias
	Names      []string
	Load       string // loaded, not-found, masked, bad-setting, error
	Active     string // active, inactive, failed, activating, deactivating, reloading
	Sub        string
	Fragment   string
	DropIns    []string
	Transient  bool
	NeedReload bool
	Invocation string // hexadecimal, "" for none
	Since      time.Time
	Cgroup     string
	MainPID    int
	Restarts   int64
	Result     string
	ExitStatus int32
	CanStart   bool
	CanStop    bool
	StopWithin time.Duration
	Job        uint32 // that is queued or running, 0 for none
	// Dependents are the units that are stopped when this one is.
	Dependents []string
	// Settings are those of [keys] that are set, as text.
	Settings map[string]string
	// EffectiveCPUs and EffectiveMemory are what parents leave, where this systemd tells.
	EffectiveCPUs   string
	EffectiveMemory string
}

func unitOf(name string, p map[string]any) unit {
	u := unit{
		Name: name, Names: get[[]string](p, "Names"), Load: get[string](p, "LoadState"),
		Active: get[string](p, "ActiveState"), Sub: get[string](p, "SubState"),
		Fragment: get[string](p, "FragmentPath"), DropIns: get[[]string](p, "DropInPaths"),
		Transient: get[bool](p, "Transient"), NeedReload: get[bool](p, "NeedDaemonReload"),
		Cgroup: get[string](p, "ControlGroup"), MainPID: int(get[uint32](p, "MainPID")),
		Restarts: int64(get[uint32](p, "NRestarts")), Result: get[string](p, "Result"),
		ExitStatus: get[int32](p, "ExecMainStatus"),
		CanStart:   get[bool](p, "CanStart"), CanStop: get[bool](p, "CanStop"),
		Settings: map[string]string{},
	}
	if id := get[string](p, "Id"); id != "" {
		u.Name = id
	}
	if id := get[[]byte](p, "InvocationID"); len(id) > 0 {
		u.Invocation = hex.EncodeToString(id)
	}
	u.Since = since(p)
	if us := get[uint64](p, "TimeoutStopUSec"); us < uint64(time.Hour/time.Microsecond) {
		u.StopWithin = time.Duration(us) * time.Microsecond
	}
	if job := get[[]any](p, "Job"); len(job) > 0 {
		u.Job, _ = job[0].(uint32)
	}
	for _, by := range []string{"RequiredBy", "BoundBy", "ConsistsOf"} {
		u.Dependents = append(u.Dependents, get[[]string](p, by)...)
	}
	slices.Sort(u.Dependents)
	u.Dependents = slices.Compact(u.Dependents)
	for _, key := range keys {
		if text := textOf(key, p[onBus(key)]); text != "" {
			u.Settings[key] = text
		}
	}
	u.EffectiveCPUs = textOf(allowedCPUs, p["EffectiveCPUs"])
	u.EffectiveMemory = textOf(memoryMax, p["EffectiveMemoryMax"])
	return u
}

// get is a property, or its zero value where systemd does not tell it.
func get[T any](p map[string]any, name string) T {
	v, _ := p[name].(T)
	return v
}

// since is when the unit became what it is now.
func since(p map[string]any) time.Time {
	for _, name := range []string{"ExecMainStartTimestamp", "ActiveEnterTimestamp", "InactiveExitTimestamp", "StateChangeTimestamp"} {
		if us := get[uint64](p, name); us > 0 && us != infinity {
			return time.UnixMicro(int64(us)).UTC()
		}
	}
	return time.Time{}
}

// running reports whether the unit is up. A service that ended and counts as active
// (RemainAfterExit) is not.
func (u unit) running() bool {
	return (u.Active == "active" || u.Active == "reloading" || u.Active == "refreshing") && u.Sub != "exited"
}

// kind is the suffix of the name: service, slice or scope.
func (u unit) kind() string { return kindOf(u.Name) }

func kindOf(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// section is the one of a unit file that limits are in.
func section(name string) string {
	kind := kindOf(name)
	return strings.ToUpper(kind[:1]) + kind[1:]
}
