package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/engramd/engramd/policy"
)

// A targetSection is one service. Beside the keys below it has a section for the platform that it
// runs on, which that platform's driver reads.
type targetSection struct {
	// Name is what policies, commands and metrics call the target.
	Name string `yaml:"name"`
	// Platforms are the sections of platforms, in the order of the file.
	Platforms []platformSection `yaml:"-"`
	// Node is the target's memory node; its metrics are scraped.
	Node *nodeSection `yaml:"node,omitempty"`
	// Mode is the agent's if it is not said.
	Mode policy.Mode `yaml:"mode,omitempty" oneof:"dry-run approve auto"`
	// Limits bounds what any policy may ask for, by resource.
	Limits limitsSection `yaml:"limits,omitempty"`
	// CPUs keeps the target on some of the host's processors, with its memory next to them: numa-aligned
	// (cores of one NUMA node, or whole nodes: as many as its limit on CPU needs), a node (node1) or a
	// set (0-3,8). Where it is not said, only policies move it.
	CPUs string `yaml:"cpus,omitempty"`
	// Apply says how the process takes a change of a resource: live, restart, or grow-live, which is
	// growth live and a decrease by restart. Where it is not said, what runs inside says it: memory of a
	// JVM needs a restart, everything else is live.
	Apply map[policy.Resource]applyName `yaml:"apply,omitempty"`
	// Runtime is what runs inside, which decides whether it can follow; auto looks at its processes,
	// where they are on this host and may be looked at.
	Runtime string `yaml:"runtime" oneof:"auto go jvm other"`
	// Health must answer with 2xx after a restart, also in maintenance.
	Health *requestSection `yaml:"health,omitempty"`
	// Drain stops new writes before a restart.
	Drain *drainSection `yaml:"drain,omitempty"`
	// StopTimeout is how long a restart lets the process end by itself.
	StopTimeout time.Duration `yaml:"stop_timeout"`
	// Backup is asked for before a restart.
	Backup *backupSection `yaml:"backup,omitempty"`
	// Smoke are the tests after a restart.
	Smoke []smokeSection `yaml:"smoke,omitempty"`
	// MaintenanceWindow names the maintenance window that restarts wait for. Without one a restart needs
	// a person's approval, also in mode auto.
	MaintenanceWindow string `yaml:"maintenance_window,omitempty"`
	// Live says when live changes may happen.
	Live string `yaml:"live" oneof:"any_time in_window"`
	// Signals say how well the target serves; they judge whether a change helped.
	Signals serviceSignals `yaml:"signals,omitempty"`
	// Require must hold through the whole validation.
	Require []requireSection `yaml:"require,omitempty"`
	// AdoptUnlimited allows a live limit on memory that had none; to undo that takes a restart.
	AdoptUnlimited bool `yaml:"adopt_unlimited,omitempty"`
	// AllowIrreversible allows steps that cannot be undone, such as the growth of a volume.
	AllowIrreversible bool `yaml:"allow_irreversible,omitempty"`
	// Validation overrides the agent's validation.
	Validation *validationSection `yaml:"validation,omitempty"`
	// Safety overrides the agent's safety.
	Safety *safetySection `yaml:"safety,omitempty"`
}

// A platformSection is the section of one platform: what its driver's specification was decoded into.
type platformSection struct {
	Name string
	Spec any
}

// A nodeSection is where a memory node answers.
type nodeSection struct {
	// URL is the node's base URL. Its /metrics is scraped.
	URL string `yaml:"url"`
}

// applyName is one of policy's ways to apply a change.
type applyName policy.Apply

func (a *applyName) fromYAML(d *decoder, n ast.Node, path string) {
	known := []string{string(policy.ApplyLive), string(policy.ApplyRestart), string(policy.ApplyGrowLive)}
	text, ok := d.text(n, path)
	if ok && !slices.Contains(known, text) {
		d.faultAt(path, fmt.Sprintf("%s: %q is not known", path, text), oneOf(text, known))
		return
	}
	*a = applyName(text)
}

func (t *targetSection) setDefaults() {
	t.Runtime, t.StopTimeout, t.Live = "auto", 30*time.Second, "any_time"
}

func (t *targetSection) fromYAML(d *decoder, n ast.Node, path string) {
	fields := fieldsOf(reflect.TypeFor[targetSection]())
	v := reflect.ValueOf(t).Elem()
	for _, e := range d.entries(n, path, "a target: a mapping with name, a platform and more") {
		key, at := keyText(e), d.child(path, e)
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == key })
		switch platform, registered := d.registry[key]; {
		case registered:
			t.platform(d, e.Value, key, at, platform.NewSpec())
		case i >= 0:
			d.decodeField(e.Value, v.FieldByIndex(fields[i].index), fields[i], at)
		default:
			d.unknownKey(e, append(names(fields), slices.Sorted(maps.Keys(d.registry))...))
		}
	}
}

// platform decodes the section of a platform. The driver of memory nodes has a section of its own; the
// agent itself needs the URL in it.
func (t *targetSection) platform(d *decoder, n ast.Node, key, path string, spec any) {
	if key == nodePlatform {
		t.Node = &nodeSection{}
		for _, e := range d.entries(n, path, "a mapping with url") {
			if keyText(e) == "url" {
				t.Node.URL, _ = d.text(e.Value, join(path, "url"))
			}
		}
	}
	d.decode(n, reflect.ValueOf(spec).Elem(), path)
	t.Platforms = append(t.Platforms, platformSection{key, spec})
}

// platforms lists what this build has drivers for.
func (d *decoder) platforms() string {
	if len(d.registry) == 0 {
		return "it has none at all"
	}
	return "this build has " + strings.Join(slices.Sorted(maps.Keys(d.registry)), ", ")
}

func (t targetSection) toYAML() any {
	items := encodeStruct(reflect.ValueOf(t))
	var platforms yaml.MapSlice
	for _, p := range t.Platforms {
		if p.Name == nodePlatform {
			items = slices.DeleteFunc(items, func(i yaml.MapItem) bool { return i.Key == "node" })
		}
		platforms = append(platforms, yaml.MapItem{Key: p.Name, Value: encode(reflect.ValueOf(p.Spec))})
	}
	return slices.Insert(items, 1, platforms...)
}

// targetName is what a target may be called: it stands in labels, expressions and file names.
var targetName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$`)

// target resolves targets[i].
func (r *resolver) target(i int) Target {
	s := &r.doc.Targets[i]
	path := fmt.Sprintf("targets[%d]", i)
	r.checkTargetName(i, path)
	t := Target{Target: policy.Target{
		Name: s.Name, Specs: map[string]any{}, Mode: s.Mode, Runtime: s.Runtime,
		MaintenanceWindow: s.MaintenanceWindow, LiveInWindow: s.Live == "in_window",
		AdoptUnlimited: s.AdoptUnlimited, AllowIrreversible: s.AllowIrreversible, StopTimeout: s.StopTimeout,
		Apply: map[policy.Resource]policy.Apply{},
	}}
	t.Safety = overlay(r.doc.Safety, s.Safety).safety()
	if s.Safety != nil {
		r.checkSafety(path+".safety", t.Safety)
	}
	r.platformsOf(&t, s, path)
	t.Container = containerOf(s)
	r.limitsOf(&t, s, path+".limits")
	r.cpusOf(&t, s, path+".cpus")
	r.applyOf(&t, s, path+".apply")
	r.windowOf(&t, s, path)
	r.procedureOf(&t, s, path)
	return t
}

func (r *resolver) checkTargetName(i int, path string) {
	name := r.doc.Targets[i].Name
	switch {
	case name == "":
		r.faultAt(path, "a target has no name", "add `name:`")
	case !targetName.MatchString(name):
		r.faultAt(path+".name", fmt.Sprintf("%s.name: %.80q is no target's name", path, name),
			"want letters, digits, dots, dashes and underscores, with a letter or digit at both ends, at most 63")
	}
	for j, other := range r.doc.Targets[:i] {
		if other.Name == name && name != "" {
			r.faultAt(path+".name", fmt.Sprintf("there are two targets %q", name),
				fmt.Sprintf("the other one is on line %d", r.at(fmt.Sprintf("targets[%d].name", j)).Line))
		}
	}
}

// platformsOf checks the sections of platforms and notes what each can change.
func (r *resolver) platformsOf(t *Target, s *targetSection, path string) {
	if s.Node != nil {
		t.NodeURL = strings.TrimRight(s.Node.URL, "/")
		r.checkURL(path+".node.url", s.Node.URL)
	}
	var hosts []string // the platforms that hold the process
	for _, p := range s.Platforms {
		before := len(r.faults)
		if files, ok := p.Spec.(interface{ Files() []*string }); ok {
			for _, name := range files.Files() {
				*name = r.file(*name)
			}
		}
		if err := r.registry[p.Name].Check(p.Spec); err != nil {
			for text := range strings.SplitSeq(err.Error(), "\n") {
				r.faultAt(r.placeIn(path+"."+p.Name, text), lead(path+"."+p.Name, text), "")
			}
		}
		if len(r.faults) == before {
			r.sameSpec(t.Name, p, path)
		}
		t.Specs[p.Name] = p.Spec
		t.Drivers = append(t.Drivers, p.Name)
		if rank(p.Name) == 0 {
			hosts = append(hosts, p.Name)
		}
	}
	slices.SortStableFunc(t.Drivers, func(a, b string) int { return rank(a) - rank(b) })
	switch {
	case len(hosts) > 1:
		r.faultAt(path, fmt.Sprintf("target %s has two platforms: %s", t.Name, strings.Join(hosts, " and ")), "make two targets of it")
	case len(t.Drivers) == 0 && s.Node == nil:
		r.faultAt(path, fmt.Sprintf("target %s has no platform", t.Name), r.platforms())
	case len(t.Drivers) == 0:
		r.warn(r.at(path+".node"), fmt.Sprintf("target %s: this build can watch a memory node and change nothing of it", t.Name))
	}
}

// rank sorts the platforms of a target: the one that holds the process, the memory node in it, and the
// volume that its data is on.
func rank(platform string) int {
	return max(0, slices.Index([]string{"", "node", "volume"}, platform))
}

// placeIn is the path of the key that a driver's text begins with, else of the whole section.
func (r *resolver) placeIn(path, text string) string {
	text = strings.TrimPrefix(text, path[strings.LastIndexByte(path, '.')+1:]+": ")
	key, _, _ := strings.Cut(text, " ")
	if p := path + "." + strings.TrimSuffix(key, ":"); r.written(p) {
		return p
	}
	return path
}

// sameSpec finds another target that is the same thing.
func (r *resolver) sameSpec(name string, p platformSection, path string) {
	id := p.Name + fmt.Sprintf("%+v", reflect.Indirect(reflect.ValueOf(p.Spec)).Interface())
	if other, ok := r.specs[id]; ok {
		r.faultAt(path+"."+p.Name, fmt.Sprintf("targets %s and %s are the same %s", other, name, p.Name), "two targets would undo each other's changes; leave one out")
		return
	}
	r.specs[id] = name
}

// textOf is the value of a key of a platform's section that is a text, "" if there is none.
func textOf(spec any, key string) string {
	v := reflect.Indirect(reflect.ValueOf(spec))
	if v.Kind() != reflect.Struct {
		return ""
	}
	for _, f := range fieldsOf(v.Type()) {
		if field := v.FieldByIndex(f.index); f.name == key && field.Kind() == reflect.String {
			return field.String()
		}
	}
	return ""
}

// containerOf is what $container stands for.
func containerOf(s *targetSection) string {
	for _, p := range s.Platforms {
		if name := textOf(p.Spec, "container"); name != "" {
			return name
		}
	}
	return s.Name
}

// applyOf resolves how the process takes changes.
func (r *resolver) applyOf(t *Target, s *targetSection, path string) {
	for _, resource := range slices.Sorted(maps.Keys(s.Apply)) {
		if resource != policy.CPU && resource != policy.Memory {
			r.fault(r.atKey(path+"."+string(resource)), fmt.Sprintf("unknown key %q", resource), oneOf(string(resource), []string{"cpu", "memory"}))
			continue
		}
		t.Apply[resource] = policy.Apply(s.Apply[resource])
		if s.Apply[resource] == applyName(policy.ApplyRestart) && s.MaintenanceWindow == "" {
			r.warn(r.at(path+"."+string(resource)), fmt.Sprintf("target %s: every change of %s is a restart, and without a maintenance_window each one needs a person's approval", t.Name, resource))
		}
	}
}

// windowOf checks the name of the maintenance window.
func (r *resolver) windowOf(t *Target, s *targetSection, path string) {
	known := slices.Sorted(maps.Keys(r.cfg.Windows))
	if name := s.MaintenanceWindow; name != "" && !slices.Contains(known, name) {
		r.faultAt(path+".maintenance_window", fmt.Sprintf("there is no maintenance window %q", name), oneOf(name, known))
	}
	if t.LiveInWindow && s.MaintenanceWindow == "" {
		r.faultAt(path+".live", fmt.Sprintf("target %s: live changes wait for a maintenance window and none is named", t.Name), "add `maintenance_window:`")
	}
}

// cpusOf resolves where the target is to be kept.
func (r *resolver) cpusOf(t *Target, s *targetSection, path string) {
	if s.CPUs == "" {
		return
	}
	p, err := policy.ParsePlacement(s.CPUs)
	switch {
	case err != nil:
		r.faultAt(path, lead(path, err.Error()), "")
	case !r.owns(t, policy.CPUs):
		r.faultAt(path, fmt.Sprintf("target %s: nothing of it can change cpus", t.Name), r.instead(t, policy.CPUs))
	default:
		t.CPUs = p
	}
}
