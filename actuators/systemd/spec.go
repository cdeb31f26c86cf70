package systemd

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/engramd/engramd/policy"
)

// platform is the driver's name and the key of its section in agent.yaml.
const platform = "systemd"

// Spec is the systemd section of a target.
type Spec struct {
	// Unit is a service, a slice or a scope; a name without a suffix is a service. Its memory is
	// MemoryMax, its cpu CPUQuota, its cpus AllowedCPUs with AllowedMemoryNodes.
	Unit string `yaml:"unit" json:"unit"`
	// Persistent keeps changes over a reboot of the host; otherwise they end with it.
	Persistent bool `yaml:"persistent,omitempty" json:"persistent,omitempty"`
	// User says that the unit belongs to the manager of the user that engramd runs as
	// (`systemctl --user`), not to the system's.
	User bool `yaml:"user,omitempty" json:"user,omitempty"`
}

// units are the names that systemd accepts, and the kinds that have processes of their own to limit.
var units = regexp.MustCompile(`^[a-zA-Z0-9:_.\\@-]+\.(service|slice|scope)$`)

// maxName is systemd's bound on the name of a unit.
const maxName = 255

func check(spec any) error {
	s, ok := spec.(*Spec)
	if !ok {
		return fmt.Errorf("systemd: want a *systemd.Spec, got %T", spec)
	}
	if s.Unit == "" {
		return fmt.Errorf("systemd: unit is missing: give the unit's name, as `systemctl` shows it")
	}
	if !strings.Contains(s.Unit, ".") {
		s.Unit += ".service"
	}
	if len(s.Unit) > maxName || !units.MatchString(s.Unit) {
		return fmt.Errorf("systemd: unit %.80q: want the name of a service, a slice or a scope, as `systemctl` shows it", s.Unit)
	}
	if instance, isTemplate := templateOf(s.Unit); isTemplate && instance == "" {
		return fmt.Errorf("systemd: unit %s is a template: name an instance of it, as in %s", s.Unit, strings.Replace(s.Unit, "@.", "@1.", 1))
	}
	if s.Unit == "-.slice" || s.Unit == "init.scope" {
		return fmt.Errorf("systemd: unit %s is the host itself: name a service, or a slice of it", s.Unit)
	}
	if owner := ownerOf(s.Unit); owner != "" {
		return fmt.Errorf("systemd: unit %.80s belongs to %s, which sets its limits: make it a target of that platform", s.Unit, owner)
	}
	return nil
}

// templateOf returns the instance in the name of a unit, and whether the name is made of a template.
func templateOf(unit string) (instance string, ok bool) {
	_, rest, ok := strings.Cut(unit, "@")
	return rest[:max(0, strings.LastIndexByte(rest, '.'))], ok
}

// engines are the names of units that a container engine makes and limits itself.
var engines = []struct {
	name  *regexp.Regexp
	owner string
}{
	{regexp.MustCompile(`^docker-[0-9a-f]{64}\.scope$`), "Docker"},
	{regexp.MustCompile(`^libpod(-conmon)?-[0-9a-f]{64}\.scope$`), "Podman"},
	{regexp.MustCompile(`^(crio|cri-containerd|nerdctl)-.*\.scope$`), "a container engine"},
	{regexp.MustCompile(`^kubepods.*\.slice$`), "Kubernetes"},
}

// ownerOf names the platform that a unit belongs to by its name, "" for systemd itself.
func ownerOf(unit string) string {
	for _, e := range engines {
		if e.name.MatchString(unit) {
			return e.owner
		}
	}
	return ""
}

// specOf returns the systemd section of t.
func specOf(t policy.Target) (Spec, error) {
	switch s := t.Specs[platform].(type) {
	case *Spec:
		return *s, nil
	case Spec:
		return s, nil
	}
	return Spec{}, fmt.Errorf("target %s has no systemd section", t.Name)
}
