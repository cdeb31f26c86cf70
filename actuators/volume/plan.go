package volume

import (
	"fmt"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// The kinds of steps, in their order.
const (
	kindCheck      = "check"
	kindModify     = "modify"
	kindDisk       = "disk"
	kindPartition  = "partition"
	kindFileSystem = "filesystem"
)

// A growth is the arguments of every step: what is to be reached, of what.
type growth struct {
	Device string `json:"device"` // vdb1: what is mounted, when it was planned
	FS     string `json:"fs"`
	To     int64  `json:"to"`             // how much of the disk the file system reaches
	GiB    int64  `json:"gib,omitempty"`  // of the volume of EBS, 0 if that stays
	Disk   int64  `json:"disk,omitempty"` // size of the disk, at least
}

// Plan lists the steps that make the file system reach a size. It never makes anything smaller.
func (d *Driver) Plan(t policy.Target, from actuators.State, to policy.Size) (actuators.Plan, error) {
	for r := range to {
		if r != policy.Storage {
			return actuators.Plan{}, refused("volume cannot change %s", r)
		}
	}
	f, err := factsOf(t, from)
	if err != nil {
		return actuators.Plan{}, err
	}
	spec, err := specOf(t)
	if err != nil {
		return actuators.Plan{}, err
	}
	n, limited := to[policy.Storage].Amount()
	if !limited || n <= 0 {
		return actuators.Plan{}, refused("a file system cannot be %s", policy.Storage.Format(to[policy.Storage]))
	}
	p := planner{spec: spec, f: f, growth: growth{Device: f.Device.Name, FS: f.FS, To: n, Disk: f.Device.DiskBytes}}
	if n == f.reach() {
		return actuators.Plan{Strategy: policy.Live}, nil
	}
	if err := p.allowed(t); err != nil {
		return actuators.Plan{}, err
	}
	if err := p.volume(); err != nil {
		return actuators.Plan{}, err
	}
	if err := p.bounds(); err != nil {
		return actuators.Plan{}, err
	}
	return p.plan(), nil
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{actuators.ErrRefused}, args...)...)
}

// A planner plans one growth.
type planner struct {
	spec   Spec
	f      facts
	growth growth
}

// allowed refuses what is never possible.
func (p *planner) allowed(t policy.Target) error {
	switch to := p.growth.To; {
	case !t.AllowIrreversible:
		return refused("a file system that has grown stays so: set allow_irreversible: true to accept that")
	case p.f.Not != "":
		return refused("%s", p.f.Not)
	case to < p.f.reach():
		return refused("the file system at %s reaches %s of its disk, and engramd makes none smaller", p.f.Path, show(p.f.reach()))
	case to%mib != 0 && !fills(to, p.f.Device.DiskBytes):
		return refused("want whole MiB, not %d bytes", to)
	}
	return nil
}

// volume sees whether the disk is large enough, or can be made so.
func (p *planner) volume() error {
	disk := p.f.Device.DiskBytes
	if p.growth.To <= disk {
		return nil
	}
	if p.f.Cloud == nil {
		return p.bare(disk)
	}
	if err := p.f.Cloud.fits(p.spec.AWS, p.f.Device); err != nil {
		return err
	}
	want := (p.growth.To + gib - 1) / gib
	p.growth.Disk = want * gib
	if p.f.Cloud.GiB >= want { // it has grown there already, and the kernel will see it
		p.growth.Disk = p.f.Cloud.GiB * gib
		return nil
	}
	p.growth.GiB = want
	return p.f.Cloud.free(p.spec.AWS)
}

// bare refuses to grow beyond a disk that is not engramd's to grow.
func (p *planner) bare(disk int64) error {
	todo := fmt.Sprintf("the disk %s has %s, and engramd cannot make it larger: make it %s where it comes from (the hypervisor, the array, the cloud), and the file system can follow",
		p.f.disk(), show(disk), show(p.growth.To))
	if p.f.behind() {
		todo += fmt.Sprintf("; up to %s it can grow now: {storage: {to: %s}}", show(disk), show(disk))
	}
	return refused("%s", todo)
}

// bounds refuses what partition table and file system cannot do.
func (p *planner) bounds() error {
	d, to := p.f.Device, p.growth.To
	if d.Partition > 0 && p.growsPartition() {
		if d.Next != "" {
			return refused("partition %s begins after %s, which cannot grow over it: move the data to a disk of its own", d.Next, d.Name)
		}
		if p.f.MBR && to > mbrEnd {
			return refused("the partition table of %s (MBR) ends at %s: convert it to GPT first (sgdisk --mbrtogpt)", p.f.disk(), show(mbrEnd))
		}
	}
	if most := p.f.Extent.Most; to-d.Start > most {
		return refused("the %s at %s was made for %s at most (without the feature 64bit)", p.f.FS, p.f.Path, show(most))
	}
	return nil
}

// growsPartition reports whether the partition ends before the file system will.
func (p *planner) growsPartition() bool {
	d := p.f.Device
	end := d.Start + d.Length
	if fills(p.growth.To, p.growth.Disk) {
		return p.growth.Disk-end >= slack
	}
	return end < p.growth.To
}

// plan writes the steps, the last of which are the ones that may not be needed any more.
func (p *planner) plan() actuators.Plan {
	g, was := p.growth, p.f.reach()
	plan := actuators.Plan{Strategy: policy.Live, Notes: p.notes()}
	var lines []string
	add := func(kind string, irreversible bool, text, command string) {
		plan.Steps = append(plan.Steps, actuators.Step{Kind: kind, Args: actuators.Encode(g), Irreversible: irreversible, Text: text, UndoText: "nothing to undo"})
		if command != "" {
			lines = append(lines, command)
		}
	}
	add(kindCheck, false, "see whether "+p.f.Path+" can grow", "")
	if g.GiB > 0 {
		add(kindModify, true, fmt.Sprintf("grow volume %s %d -> %d GiB", p.spec.AWS.VolumeID, p.f.Cloud.GiB, g.GiB),
			fmt.Sprintf("aws ec2 modify-volume --volume-id %s --size %d%s", p.spec.AWS.VolumeID, g.GiB, regionFlag(p.spec.AWS)))
	}
	if g.Disk > p.f.Device.DiskBytes {
		add(kindDisk, true, fmt.Sprintf("wait for disk %s to have %s", p.f.disk(), show(g.Disk)), "")
	}
	if p.f.Device.Partition > 0 && p.growsPartition() {
		add(kindPartition, true, fmt.Sprintf("grow partition %d of %s", p.f.Device.Partition, p.f.disk()), typed(partitionCommand(p.f)))
	}
	add(kindFileSystem, true, fmt.Sprintf("grow %s at %s %s -> %s", p.f.FS, p.f.Path, show(was), show(g.To)), typed(fileSystemCommand(p.f, g.To, g.Disk)))
	plan.Command = strings.Join(lines, "\n")
	return plan
}

func regionFlag(a AWS) string {
	if a.Region == "" {
		return ""
	}
	return " --region " + a.Region
}

// notes are what a person should know before saying yes.
func (p *planner) notes() []string {
	notes := []string{
		"a file system that has grown stays so: this cannot be undone, and is only finished forward",
		fmt.Sprintf("%.0f%% of it is free; growing takes no room on it, so it may be full: the guide's 30%% free are for what takes room, such as compaction and snapshots", 100*p.f.Free),
	}
	if p.f.behind() {
		notes = append(notes, p.f.unused())
	}
	if p.growth.GiB > 0 {
		notes = append(notes, rateNote)
		if p.growth.GiB*gib != p.growth.To {
			notes = append(notes, fmt.Sprintf("a volume of EBS has whole GiB: it gets %d GiB, of which the file system takes %s", p.growth.GiB, show(p.growth.To)))
		}
	}
	return notes
}

// partitionCommand is how a partition is grown as far as it can.
func partitionCommand(f facts) []string {
	return []string{"growpart", f.disk(), fmt.Sprint(f.Device.Partition)}
}

// fileSystemCommand is how the file system is grown on a disk of that size: to all of its device, or to
// what it should reach where the disk has more.
func fileSystemCommand(f facts, to, disk int64) []string {
	whole := fills(to, disk)
	bytes := to - f.Device.Start
	switch {
	case f.FS == "xfs" && whole:
		return []string{"xfs_growfs", "-d", f.Path}
	case f.FS == "xfs":
		return []string{"xfs_growfs", "-D", fmt.Sprint(bytes / f.Extent.Block), f.Path}
	case whole:
		return []string{"resize2fs", f.device()}
	}
	return []string{"resize2fs", f.device(), fmt.Sprintf("%dK", bytes/1024)}
}

// typed is a command as a person would type it.
func typed(argv []string) string {
	var words []string
	for _, word := range argv {
		if strings.ContainsFunc(word, func(r rune) bool { return !strings.ContainsRune(plainRunes, r) }) {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// plainRunes are what a shell leaves alone.
const plainRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,@+"
