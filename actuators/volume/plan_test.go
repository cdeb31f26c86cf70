package volume_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/volume"
	"github.com/engramd/engramd/policy"
)

func storage(bytes int64) policy.Size { return policy.Size{policy.Storage: policy.Amount(bytes)} }

// planned observes and plans.
func planned(t *testing.T, d *volume.Driver, target policy.Target, to int64) (actuators.State, actuators.Plan, error) {
	t.Helper()
	st, err := d.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := d.Plan(target, st, storage(to))
	return st, plan, err
}

func texts(p actuators.Plan) []string {
	var all []string
	for _, s := range p.Steps {
		all = append(all, s.Text)
	}
	return all
}

// TestSizes holds how much of its disk a file system reaches, and what is drift.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name        string
		partitioned bool
		disk, room  int64 // 0 leaves it
		reaches     int64
		behind      bool
	}{
		{name: "a whole disk", reaches: 8 * gib},
		{name: "a partition, with its table", partitioned: true, reaches: 8 * gib},
		{name: "the disk has grown", disk: 16 * gib, reaches: 8 * gib, behind: true},
		{name: "the disk of a partition has grown", partitioned: true, disk: 16 * gib, reaches: 8 * gib, behind: true},
		{name: "a file system smaller than its disk", room: 3 * gib, reaches: 3 * gib, behind: true},
		{name: "not quite as large", room: 8*gib - 2*mib, reaches: 8 * gib},
		{name: "by more than a table", room: 8*gib - 5*mib - 4096, reaches: 8*gib - 5*mib, behind: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newModel(t, "ext4", 8*gib, c.partitioned)
			if c.disk > 0 {
				m.grow(c.disk)
			}
			if c.room > 0 {
				m.room = c.room
			}
			d, target := m.driver(), m.target(nil)
			st, err := d.Observe(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			p := st.Parts[0]
			if got, _ := p.Size(policy.Storage); got != policy.Amount(c.reaches) || p.Configured[policy.Storage] != policy.Amount(m.disk) {
				t.Errorf("reaches %v of %v, want %d", got, p.Configured[policy.Storage], c.reaches)
			}
			found := d.Diagnose(target, st)
			if (len(found) > 0) != c.behind {
				t.Errorf("found %+v, behind %t", found, c.behind)
			}
			for _, f := range found {
				if !strings.Contains(f.Detail, "did not follow its disk") || !strings.Contains(f.Remedy, "resize2fs /dev/vdb") ||
					strings.Contains(f.Remedy, "growpart") != (c.partitioned && c.disk > 0) {
					t.Errorf("%s: %s", f.Detail, f.Remedy)
				}
			}
		})
	}
}

func TestPlans(t *testing.T) {
	cloud := newCloud(t, 8)
	for _, c := range []struct {
		name, fs    string
		partitioned bool
		disk        int64
		cloud       *cloudModel
		to          int64
		steps       []string
		command     string
	}{
		{"a disk that has grown", "ext4", false, 16 * gib, nil, 16 * gib,
			[]string{"see whether /var/lib/engram can grow", "grow ext4 at /var/lib/engram 8Gi -> 16Gi"}, "resize2fs /dev/vdb"},
		{"to a part of it", "ext4", false, 16 * gib, nil, 12 * gib,
			[]string{"see whether /var/lib/engram can grow", "grow ext4 at /var/lib/engram 8Gi -> 12Gi"}, "resize2fs /dev/vdb 12582912K"},
		{"a partition", "xfs", true, 16 * gib, nil, 16 * gib,
			[]string{"see whether /var/lib/engram can grow", "grow partition 1 of /dev/vdb", "grow xfs at /var/lib/engram 8Gi -> 16Gi"},
			"growpart /dev/vdb 1\nxfs_growfs -d /var/lib/engram"},
		{"a part of a partition", "xfs", true, 16 * gib, nil, 12 * gib,
			[]string{"see whether /var/lib/engram can grow", "grow partition 1 of /dev/vdb", "grow xfs at /var/lib/engram 8Gi -> 12Gi"},
			"growpart /dev/vdb 1\nxfs_growfs -D 3145472 /var/lib/engram"},
		{"a volume", "ext4", true, 0, cloud, 16 * gib,
			[]string{
				"see whether /var/lib/engram can grow", "grow volume " + volumeID + " 8 -> 16 GiB", "wait for disk /dev/vdb to have 16Gi",
				"grow partition 1 of /dev/vdb", "grow ext4 at /var/lib/engram 8Gi -> 16Gi",
			},
			"aws ec2 modify-volume --volume-id " + volumeID + " --size 16 --region us-east-1\ngrowpart /dev/vdb 1\nresize2fs /dev/vdb1"},
		{"a volume by half a GiB", "ext4", false, 0, cloud, 8*gib + 512*mib,
			[]string{
				"see whether /var/lib/engram can grow", "grow volume " + volumeID + " 8 -> 9 GiB", "wait for disk /dev/vdb to have 9Gi",
				"grow ext4 at /var/lib/engram 8Gi -> 8.5Gi",
			},
			"aws ec2 modify-volume --volume-id " + volumeID + " --size 9 --region us-east-1\nresize2fs /dev/vdb 8912896K"},
		{"nothing to do", "ext4", false, 0, nil, 8 * gib, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newModel(t, c.fs, 8*gib, c.partitioned)
			if c.disk > 0 {
				m.grow(c.disk)
			}
			_, plan, err := planned(t, m.driver(), m.target(c.cloud), c.to)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.steps, texts(plan)); diff != "" || plan.Command != c.command {
				t.Errorf("steps (-want +got):\n%scommand %q", diff, plan.Command)
			}
			notes := strings.Join(plan.Notes, "\n")
			if len(plan.Steps) > 0 && (!strings.Contains(notes, "10% of it is free") || !strings.Contains(notes, "cannot be undone")) {
				t.Errorf("notes: %s", notes)
			}
			if (c.cloud != nil) != strings.Contains(notes, "four modifications") {
				t.Errorf("notes on the rate: %s", notes)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name  string
		given func(m *model, target *policy.Target, c *cloudModel)
		bare  bool // no cloud
		to    int64
		says  string
	}{
		{"not allowed", func(_ *model, target *policy.Target, _ *cloudModel) { target.AllowIrreversible = false }, true, 16 * gib, "allow_irreversible: true"},
		{"a bare disk", nil, true, 16 * gib, "make it 16Gi where it comes from"},
		{"a bare disk with some room", func(m *model, _ *policy.Target, _ *cloudModel) { m.grow(12 * gib) }, true, 16 * gib, "up to 12Gi it can grow now: {storage: {to: 12Gi}}"},
		{"smaller", nil, true, 4 * gib, "makes none smaller"},
		{"read-only", func(m *model, _ *policy.Target, _ *cloudModel) { m.mount("ro,relatime"); m.grow(16 * gib) }, true, 16 * gib, "read-only"},
		{"no growpart", func(m *model, _ *policy.Target, _ *cloudModel) { m.missing["growpart"] = true; m.grow(16 * gib) }, true, 16 * gib, "growpart is not installed: install cloud-guest-utils"},
		{"no resize2fs", func(m *model, _ *policy.Target, _ *cloudModel) { m.missing["resize2fs"] = true; m.grow(16 * gib) }, true, 16 * gib, "e2fsprogs"},
		{"another partition behind", func(m *model, _ *policy.Target, _ *cloudModel) {
			m.write("sys/devices/vdb/vdb2/start", "16777216")
			m.grow(16 * gib)
		}, true, 16 * gib, "vdb2 begins after vdb1"},
		{"an old table", func(m *model, _ *policy.Target, _ *cloudModel) {
			m.write("dev/vdb", strings.Repeat("x", 5000))
			m.grow(3 << 40)
		}, true, 3 << 40, "MBR"},
		{"an old file system", func(m *model, _ *policy.Target, _ *cloudModel) { m.grow(17 << 40) }, true, 17 << 40, "16Ti at most"},
		{"LVM", func(m *model, _ *policy.Target, _ *cloudModel) {
			m.write("sys/devices/vdb/dm/uuid", "LVM-abc")
			m.grow(16 * gib)
		}, true, 16 * gib, "lvextend"},
		{"RAID", func(m *model, _ *policy.Target, _ *cloudModel) {
			m.must(os.Mkdir(filepath.Join(m.root, "sys/devices/vdb/md"), 0o755))
			m.grow(16 * gib)
		}, true, 16 * gib, "mdadm"},
		{"encrypted", func(m *model, _ *policy.Target, _ *cloudModel) {
			m.write("sys/devices/vdb/dm/uuid", "CRYPT-LUKS2-abc")
			m.grow(16 * gib)
		}, true, 16 * gib, "cryptsetup"},
		{"a part of a file system", func(m *model, _ *policy.Target, _ *cloudModel) {
			m.write("proc/self/mountinfo", "39 27 252:17 /sub /var/lib/engram rw - ext4 /dev/vdb1 rw\n")
			m.grow(16 * gib)
		}, true, 16 * gib, "only /sub of its file system"},
		{"another volume", func(m *model, _ *policy.Target, _ *cloudModel) {
			m.write("sys/devices/vdb/serial", "vol0fedcba9876543210\n")
		}, false, 16 * gib, "is the volume vol0fedcba9876543210"},
		{"another size", func(_ *model, _ *policy.Target, c *cloudModel) { c.gib = 100 }, false, 16 * gib, "is it another one?"},
		{"under way", func(_ *model, _ *policy.Target, c *cloudModel) { c.last, c.target, c.looks = "optimizing", 8, 5 }, false, 16 * gib, "still optimizing"},
		{"unauthorized", func(_ *model, _ *policy.Target, c *cloudModel) {
			c.fail(failure{action: "DescribeVolumes", status: 403, code: "UnauthorizedOperation", message: "You are not authorized to perform this operation.", times: -1})
		}, false, 16 * gib, "grant ec2:DescribeVolumes"},
		{"no such volume", func(_ *model, _ *policy.Target, c *cloudModel) {
			c.fail(failure{action: "DescribeVolumes", code: "InvalidVolume.NotFound", message: "The volume does not exist.", times: -1})
		}, false, 16 * gib, "InvalidVolume.NotFound"},
		{"not attached", func(_ *model, _ *policy.Target, c *cloudModel) { c.status = "available" }, false, 16 * gib, "not attached to this host"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m := newModel(t, "ext4", 8*gib, true)
			var cloud *cloudModel
			if !c.bare {
				cloud = newCloud(t, 8)
			}
			target := m.target(cloud)
			if c.given != nil {
				c.given(m, &target, cloud)
			}
			_, _, err := planned(t, m.driver(), target, c.to)
			if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a refusal with %q", err, c.says)
			}
			if len(m.calls) > 0 {
				t.Errorf("tools were run: %v", m.calls)
			}
		})
	}
}

// TestUnseen has what cannot be observed at all.
func TestUnseen(t *testing.T) {
	for name, c := range map[string]struct {
		mounts string
		kind   error
		says   string
	}{
		"not mounted": {"27 1 254:0 / / rw - ext4 /dev/vda rw\n", actuators.ErrNotFound, "nothing is mounted at /var/lib/engram"},
		"hidden by another": {"39 27 252:17 / /var/lib/engram rw - ext4 /dev/vdb1 rw\n40 39 0:45 / /var/lib/engram rw - tmpfs tmpfs rw\n",
			actuators.ErrRefused, "is tmpfs; engramd grows"},
		"btrfs":     {"39 27 0:45 / /var/lib/engram rw - btrfs /dev/vdb1 rw\n", actuators.ErrRefused, "btrfs"},
		"no device": {"39 27 9:9 / /var/lib/engram rw - ext4 /dev/md9 rw\n", nil, "no block device of this host has number 9:9"},
		"nonsense":  {"39 27\n", nil, "mountinfo:1"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModel(t, "ext4", 8*gib, true)
			m.write("proc/self/mountinfo", c.mounts)
			_, err := m.driver().Observe(t.Context(), m.target(nil))
			if err == nil || c.kind != nil && !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestGaugesAndKey(t *testing.T) {
	m := newModel(t, "ext4", 8*gib, true)
	m.grow(16 * gib)
	d, target := m.driver(), m.target(nil)
	all, err := d.Gauges(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, g := range all {
		got[g.Name] = g.Value
	}
	want := map[string]float64{
		"storage_size_bytes": float64(m.room), "storage_used_bytes": float64(m.room * 9 / 10), "storage_available_bytes": float64(m.room / 10),
		"storage_inodes": 1000, "storage_inodes_free": 900, "storage_limit_bytes": 8 * gib, "storage_device_bytes": 16 * gib,
		"storage_reads_total": 12, "storage_writes_total": 345, "storage_busy_seconds_total": 1.5,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("gauges (-want +got):\n%s", diff)
	}
	if key, err := d.Key(t.Context(), target); err != nil || key != "volume/0123456789abcdef0123456789abcdef/vdb1" {
		t.Errorf("key %q, %v", key, err)
	}
}
