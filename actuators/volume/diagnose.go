package volume

import (
	"fmt"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// unused says that the file system did not follow its disk.
func (f facts) unused() string {
	return fmt.Sprintf("the file system at %s did not follow its disk: %s has %s, and it reaches %s",
		f.Path, f.disk(), show(f.Device.DiskBytes), show(f.reach()))
}

// Diagnose tells of a file system that did not follow its disk, and what a person would run.
func (d *Driver) Diagnose(t policy.Target, st actuators.State) []actuators.Finding {
	f, err := factsOf(t, st)
	if err != nil || !f.behind() {
		return nil
	}
	found := actuators.Finding{What: string(policy.Storage), Detail: f.unused()}
	if f.Not != "" {
		found.Detail += "; " + f.Not
	}
	var commands []string
	disk := f.Device.DiskBytes
	p := planner{f: f, growth: growth{To: disk, Disk: disk}}
	switch {
	case f.Device.Partition > 0 && f.Device.Next != "":
		found.Detail += fmt.Sprintf("; partition %s begins after it", f.Device.Next)
		return []actuators.Finding{found}
	case f.Device.Partition > 0 && p.growsPartition():
		commands = append(commands, typed(partitionCommand(f)))
	}
	commands = append(commands, typed(fileSystemCommand(f, disk, disk)))
	found.Remedy = "run " + strings.Join(commands, "; ") + fmt.Sprintf("; or have engramd do it: {storage: {to: %s}} with allow_irreversible: true", show(disk))
	return []actuators.Finding{found}
}
