package volume

import (
	"context"
	"log/slog"
	"os"
	"strings"

	"github.com/engramd/engramd/actuators"
)

// Platform is the line of volumes in the registry. It finds no targets: which of a host's file systems
// should grow, and pay for it, is a person's choice.
func Platform() actuators.Platform {
	return actuators.Platform{
		NewSpec: func() any { return new(Spec) },
		Check:   check,
		Open:    func(log *slog.Logger) (actuators.Driver, error) { return New(log), nil },
		Find:    func(context.Context) ([]actuators.Found, error) { return nil, nil },
		Probe:   func(context.Context) []actuators.Finding { return thisHost().probe() },
	}
}

// probe says whether the tools and the rights to grow file systems are there.
func (s *system) probe() []actuators.Finding {
	f := actuators.Finding{What: "volumes", OK: true, Detail: "growpart, resize2fs and xfs_growfs are there"}
	var missing, install []string
	for _, tool := range []string{"growpart", "resize2fs", "xfs_growfs"} {
		if _, err := s.find(tool); err != nil {
			missing, install = append(missing, tool), append(install, packages[tool])
		}
	}
	if len(missing) > 0 {
		f.OK, f.Detail = false, "file systems that need them cannot grow: there is no "+strings.Join(missing, ", no ")
		f.Remedy = "install " + strings.Join(install, ", ")
	}
	if os.Geteuid() != 0 {
		f.OK, f.Detail = false, "only root can look at block devices and grow file systems"
		f.Remedy = "run engramd as root, if it is to grow file systems"
	}
	return []actuators.Finding{f}
}
