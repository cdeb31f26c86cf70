package volume_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/actuators/volume"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
)

// A realDisk is a block device that can grow: a loop device over a file, with a file system on it.
type realDisk struct {
	t      *testing.T
	file   string
	device string
	point  string
}

// tool runs one that must succeed.
func tool(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// newRealDisk makes a disk, with a partition if label names a partition table, and mounts a file system
// that fills it.
func newRealDisk(t *testing.T, fs, label string, bytes int64) *realDisk {
	t.Helper()
	testenv.Need(t, "host")
	dir := t.TempDir()
	d := &realDisk{t: t, file: filepath.Join(dir, "disk"), point: filepath.Join(dir, "a mount")}
	if err := errors.Join(os.WriteFile(d.file, nil, 0o600), os.Truncate(d.file, bytes), os.Mkdir(d.point, 0o755)); err != nil {
		t.Fatal(err)
	}
	d.device = tool(t, "losetup", "--find", "--show", "--partscan", d.file)
	t.Cleanup(func() { tool(t, "losetup", "--detach", d.device) })
	on := d.device
	if label != "" {
		cmd := exec.Command("sfdisk", "--quiet", d.device)
		cmd.Stdin = strings.NewReader("label: " + label + "\n,\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("sfdisk: %v: %s", err, out)
		}
		on += "p1"
		testenv.Eventually(t, 10*time.Second, on+" is there", func() bool { _, err := os.Stat(on); return err == nil })
	}
	if tool(t, "mkfs."+fs, "-q", on); fs == "xfs" {
		tool(t, "mount", "-t", "xfs", "-o", "nouuid", on, d.point)
	} else {
		tool(t, "mount", "-t", fs, on, d.point)
	}
	t.Cleanup(func() { tool(t, "umount", d.point) })
	return d
}

// grow makes the disk larger, as a cloud or a hypervisor does.
func (d *realDisk) grow(bytes int64) {
	d.t.Helper()
	if err := os.Truncate(d.file, bytes); err != nil {
		d.t.Fatal(err)
	}
	tool(d.t, "losetup", "--set-capacity", d.device)
}

func (d *realDisk) target() policy.Target {
	return policy.Target{Name: "data", AllowIrreversible: true, Specs: map[string]any{"volume": &volume.Spec{Path: d.point}}}
}

// room is what df shows of the file system's size.
func (d *realDisk) room() int64 {
	d.t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(d.point, &st); err != nil {
		d.t.Fatal(err)
	}
	return int64(st.Blocks) * st.Bsize
}

// fill writes a file of random bytes that takes all room that is left but keep.
func (d *realDisk) fill(keep int64) (sum string) {
	d.t.Helper()
	f, err := os.Create(filepath.Join(d.point, "full"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	hash, block := sha256.New(), make([]byte, mib)
	for i := range block {
		block[i] = byte(i*7 + i>>8)
	}
	for n := byte(0); ; n++ {
		var st unix.Statfs_t
		if err := unix.Statfs(d.point, &st); err != nil || int64(st.Bavail)*st.Bsize < keep+mib {
			break
		}
		block[0] = n
		if _, err := f.Write(block); errors.Is(err, unix.ENOSPC) {
			break
		} else if err != nil {
			d.t.Fatal(err)
		}
		hash.Write(block)
		if err := f.Sync(); err != nil {
			d.t.Fatal(err)
		}
	}
	return fmt.Sprintf("%x", hash.Sum(nil))
}

// written writes small files while fn runs, and returns what is in each that was synced. A full disk
// ends none of it: it goes on when there is room.
func (d *realDisk) written(fn func()) map[string]string {
	d.t.Helper()
	ctx, cancel := context.WithCancel(d.t.Context())
	files, done := map[string]string{}, make(chan error, 1)
	go func() {
		for n := 0; ctx.Err() == nil && n < 2000; n++ {
			name, text := fmt.Sprintf("file-%d", n), strings.Repeat(fmt.Sprintf("%d of %d\n", n, n*n), 500)
			switch err := writeSynced(filepath.Join(d.point, name), text); {
			case err == nil:
				files[name] = text
			case !errors.Is(err, unix.ENOSPC):
				done <- err
				return
			}
		}
		done <- nil
	}()
	fn()
	cancel()
	if err := <-done; err != nil {
		d.t.Errorf("write while it grows: %v", err)
	}
	return files
}

func writeSynced(name, text string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// holds wants the files to be what they were, also after the file system was mounted again.
func (d *realDisk) holds(files map[string]string) {
	d.t.Helper()
	device := tool(d.t, "findmnt", "--noheadings", "--output", "SOURCE", d.point)
	tool(d.t, "umount", d.point)
	tool(d.t, "mount", device, d.point)
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(d.point, name)); err != nil || string(got) != want {
			d.t.Errorf("%s: %d bytes, want %d; %v", name, len(got), len(want), err)
		}
	}
	if len(files) == 0 {
		d.t.Error("nothing was written meanwhile")
	}
}

// reaches observes what the driver says.
func (d *realDisk) reaches(driver *volume.Driver) (reaches, disk int64, st actuators.State) {
	d.t.Helper()
	st, err := driver.Observe(d.t.Context(), d.target())
	if err != nil {
		d.t.Fatal(err)
	}
	size, _ := st.Parts[0].Size(policy.Storage)
	reaches, _ = size.Amount()
	disk, _ = st.Parts[0].Configured[policy.Storage].Amount()
	return reaches, disk, st
}

// TestE2EGrow grows file systems of each kind while files are written to them, to all of their disk and
// to a part of it.
func TestE2EGrow(t *testing.T) {
	for _, c := range []struct {
		fs, label     string
		was, disk, to int64
		steps         int
	}{
		{"ext4", "", 64 * mib, 160 * mib, 160 * mib, 2},
		{"ext4", "", 64 * mib, 160 * mib, 96 * mib, 2},
		{"ext4", "gpt", 64 * mib, 160 * mib, 160 * mib, 3},
		{"ext4", "dos", 64 * mib, 160 * mib, 128 * mib, 3},
		{"xfs", "", 320 * mib, 640 * mib, 640 * mib, 2},
		{"xfs", "gpt", 320 * mib, 640 * mib, 448 * mib, 3},
		{"xfs", "gpt", 320 * mib, 640 * mib, 640 * mib, 3},
	} {
		t.Run(fmt.Sprintf("%s %s to %d of %d MiB", c.fs, c.label, c.to/mib, c.disk/mib), func(t *testing.T) {
			d, driver := newRealDisk(t, c.fs, c.label, c.was), volume.New(nil)
			if reaches, disk, st := d.reaches(driver); reaches != c.was || disk != c.was || len(driver.Diagnose(d.target(), st)) > 0 {
				t.Fatalf("at first it reaches %d of %d", reaches, disk)
			}
			d.grow(c.disk)
			reaches, disk, st := d.reaches(driver)
			found := driver.Diagnose(d.target(), st)
			if reaches != c.was || disk != c.disk || len(found) != 1 {
				t.Fatalf("of the grown disk it reaches %d of %d; %+v", reaches, disk, found)
			}
			t.Logf("%s: %s", found[0].Detail, found[0].Remedy)
			room := d.room()
			plan, err := driver.Plan(d.target(), st, storage(c.to))
			if err != nil || len(plan.Steps) != c.steps {
				t.Fatalf("%d steps, %v: %s", len(plan.Steps), err, plan.Command)
			}
			t.Log(plan.Command)
			files := d.written(func() {
				for _, s := range plan.Steps {
					if err := driver.Do(t.Context(), d.target(), s); err != nil {
						t.Errorf("%s: %v", s.Text, err)
					}
				}
			})
			reaches, _, st = d.reaches(driver)
			if reaches != c.to || d.room() < room+(c.to-c.was)*8/10 || (len(driver.Diagnose(d.target(), st)) > 0) != (c.to < c.disk) {
				t.Errorf("it reaches %d, want %d; its room was %d and is %d", reaches, c.to, room, d.room())
			}
			for _, s := range plan.Steps { // once more does nothing
				if err := driver.Do(t.Context(), d.target(), s); err != nil {
					t.Errorf("again: %s: %v", s.Text, err)
				}
			}
			if again, _, _ := d.reaches(driver); again != c.to {
				t.Errorf("again: it reaches %d", again)
			}
			d.holds(files)
		})
	}
}

// TestE2EFull grows file systems on which nothing is free: growing takes no room.
func TestE2EFull(t *testing.T) {
	for fs, was := range map[string]int64{"ext4": 64 * mib, "xfs": 320 * mib} {
		t.Run(fs, func(t *testing.T) {
			d, driver := newRealDisk(t, fs, "gpt", was), volume.New(nil)
			sum := d.fill(0)
			d.grow(2 * was)
			_, _, st := d.reaches(driver)
			plan, err := driver.Plan(d.target(), st, storage(2*was))
			if err != nil {
				t.Fatal(err)
			}
			t.Log(strings.Join(plan.Notes, "\n"))
			for _, s := range plan.Steps {
				if err := driver.Do(t.Context(), d.target(), s); err != nil {
					t.Fatalf("%s: %v", s.Text, err)
				}
			}
			if reaches, _, _ := d.reaches(driver); reaches != 2*was {
				t.Errorf("it reaches %d", reaches)
			}
			text, err := os.ReadFile(filepath.Join(d.point, "full"))
			if got := fmt.Sprintf("%x", sha256.Sum256(text)); err != nil || got != sum {
				t.Errorf("the file that filled it is another: %v", err)
			}
		})
	}
}

// TestE2EKilled has the process killed between the partition's growth and the file system's, and right
// before the kernel hears of the partition: its successor finishes forward, by the journal.
func TestE2EKilled(t *testing.T) {
	for _, fs := range []string{"ext4", "xfs"} {
		t.Run(fs, func(t *testing.T) {
			was := map[string]int64{"ext4": 64 * mib, "xfs": 320 * mib}[fs]
			d := newRealDisk(t, fs, "gpt", was)
			d.grow(2 * was)
			journal := fake.NewJournal()
			first := newDoomed(t, volume.New(nil))
			x := actuators.NewExecutor(actuators.Config{Drivers: map[string]actuators.Driver{"volume": first}, Journal: journal, Events: &fake.Trace{}, Grace: time.Millisecond})
			_, _, st := d.reaches(first.Driver)
			a := actuators.Action{
				ID: "a1", TargetName: "data", Target: d.target(), Driver: "volume", Resource: policy.Storage, State: actuators.Waiting,
				Direction: policy.Growth, From: policy.Amount(was), To: policy.Amount(2 * was), First: policy.Amount(was), Parts: actuators.PartIDsOf(st),
			}
			a.Procedure.Validation = actuators.Validation{Settle: 100 * time.Millisecond, Every: 100 * time.Millisecond, Duration: time.Second, Checks: 3}
			var err error
			if a.Plan, err = first.Plan(a.Target, st, storage(2*was)); err != nil {
				t.Fatal(err)
			}
			if err := x.Start(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			<-first.reached
			journal.Fill(errDead)
			x.Close(errDead)
			journal.Fill(nil)
			if reaches, _, _ := d.reaches(first.Driver); reaches != was {
				t.Fatalf("the file system reaches %d before anybody grew it", reaches)
			}
			left, err := journal.Actions()
			if err != nil || len(left) != 1 || left[0].State != actuators.Applying {
				t.Fatalf("left: %+v, %v", left, err)
			}
			left[0].Target = d.target()
			trace := &fake.Trace{}
			y := actuators.NewExecutor(actuators.Config{Drivers: map[string]actuators.Driver{"volume": volume.New(nil)}, Journal: journal, Events: trace})
			files := d.written(func() {
				if err := y.Recover(t.Context(), left[0]); err != nil {
					t.Fatal(err)
				}
				testenv.Eventually(t, 30*time.Second, "the successor is done", func() bool { return len(y.Active()) == 0 })
			})
			y.Close(errDead)
			end, _ := journal.Actions()
			if reaches, _, _ := d.reaches(volume.New(nil)); reaches != 2*was || end[0].State == actuators.Failed {
				t.Errorf("%s: %s; it reaches %d", end[0].State, end[0].Reason, reaches)
			}
			d.holds(files)
		})
	}
}

// A doomed driver never gets to the file system: its process is killed before.
type doomed struct {
	*volume.Driver
	reached chan struct{}
}

func newDoomed(t *testing.T, d *volume.Driver) *doomed {
	t.Helper()
	return &doomed{d, make(chan struct{})}
}

func (d *doomed) Do(ctx context.Context, t policy.Target, s actuators.Step) error {
	if s.Kind == "filesystem" {
		close(d.reached)
		<-ctx.Done()
		return errDead
	}
	return d.Driver.Do(ctx, t, s)
}

// TestE2ERefused has disks that did not grow, and what is between a file system and its disk.
func TestE2ERefused(t *testing.T) {
	d, driver := newRealDisk(t, "ext4", "gpt", 64*mib), volume.New(nil)
	_, _, st := d.reaches(driver)
	_, err := driver.Plan(d.target(), st, storage(128*mib))
	if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "make it 128Mi where it comes from") {
		t.Errorf("a disk that did not grow: %v", err)
	}
	d.grow(96 * mib)
	_, _, st = d.reaches(driver)
	_, err = driver.Plan(d.target(), st, storage(128*mib))
	if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "up to 96Mi it can grow now") {
		t.Errorf("a disk that did not grow enough: %v", err)
	}
	tool(t, "mount", "-o", "remount,ro", d.point)
	_, _, st = d.reaches(driver)
	if _, err = driver.Plan(d.target(), st, storage(96*mib)); !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("read-only: %v", err)
	}
	away := d.target()
	away.Specs = map[string]any{"volume": &volume.Spec{Path: "/proc"}}
	if _, err := driver.Observe(t.Context(), away); !errors.Is(err, actuators.ErrRefused) {
		t.Errorf("/proc: %v", err)
	}
	away.Specs = map[string]any{"volume": &volume.Spec{Path: filepath.Dir(d.point)}}
	if _, err := driver.Observe(t.Context(), away); !errors.Is(err, actuators.ErrNotFound) {
		t.Errorf("a directory that is none: %v", err)
	}
	gauges, err := driver.Gauges(t.Context(), d.target())
	seen := map[string]float64{}
	for _, g := range gauges {
		seen[g.Name] = g.Value
	}
	if err != nil || seen["storage_device_bytes"] != 96*mib || seen["storage_limit_bytes"] != 64*mib || seen["storage_size_bytes"] != float64(d.room()) {
		t.Errorf("gauges %v, %v", maps.Collect(maps.All(seen)), err)
	}
}

// realMount is where testenv/host has mounted a file system on a disk of the machine, and made that disk
// larger since.
const realMount = "/srv/volume"

// TestE2EDisk grows the file system on the machine's own disk, which has grown.
func TestE2EDisk(t *testing.T) {
	testenv.Need(t, "host")
	d, driver := &realDisk{t: t, point: realMount}, volume.New(nil)
	was, disk, st := d.reaches(driver)
	if was >= disk {
		t.Fatalf("%s reaches %d of %d: the disk has not grown", realMount, was, disk)
	}
	plan, err := driver.Plan(d.target(), st, storage(disk))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(plan.Command)
	files := d.written(func() {
		for _, s := range plan.Steps {
			if err := driver.Do(t.Context(), d.target(), s); err != nil {
				t.Errorf("%s: %v", s.Text, err)
			}
		}
	})
	if reaches, _, _ := d.reaches(driver); reaches != disk {
		t.Errorf("it reaches %d of %d", reaches, disk)
	}
	d.holds(files)
}
