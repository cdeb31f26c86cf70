package volume

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/engramd/engramd/actuators"
)

// A patience is how long a step waits for a disk or a volume before it says that it still waits, and how
// often it looks. The executor asks again.
type patience struct{ all, every time.Duration }

var patient = patience{all: time.Minute, every: 2 * time.Second}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// check sees, before anything is changed, whether the steps to come are possible.
func (d *Driver) check(ctx context.Context, spec Spec, g growth, f facts) error {
	if f.Not != "" {
		return refused("%s", f.Not)
	}
	if g.GiB > 0 {
		return d.clouds.mayModify(ctx, spec.AWS, g.GiB)
	}
	return nil
}

// awaitDisk waits until the kernel sees the larger disk.
func (d *Driver) awaitDisk(ctx context.Context, spec Spec, g growth) error {
	for began := time.Now(); ; {
		f, err := d.look(ctx, spec)
		if err != nil {
			return err
		}
		if f.Device.DiskBytes >= g.Disk {
			return nil
		}
		d.system.rescan(f.Device)
		waits := fmt.Errorf("%w: %s still has %s, not %s", actuators.ErrTransient, f.disk(), show(f.Device.DiskBytes), show(g.Disk))
		if time.Since(began) > d.system.wait.all {
			return fmt.Errorf("%w (an instance of an old type sees it after a reboot only)", waits)
		}
		if err := sleep(ctx, d.system.wait.every); err != nil {
			return fmt.Errorf("%w: %w", waits, err)
		}
	}
}

// growPartition grows the partition as far as the disk allows. Its table may have been written by a
// predecessor that was killed before the kernel heard of it.
func (d *Driver) growPartition(ctx context.Context, spec Spec, g growth, f facts) error {
	if ready(f, g) {
		return nil
	}
	command := partitionCommand(f)
	out, err := d.system.do(ctx, command[0], command[1:]...)
	nothing := strings.Contains(out, "NOCHANGE")
	if err != nil && !nothing {
		return busy(out, err)
	}
	if f, err = d.look(ctx, spec); err != nil || ready(f, g) {
		return err
	}
	told, err := d.system.do(ctx, "partx", "--update", "--nr", fmt.Sprint(f.Device.Partition), f.disk())
	if err != nil {
		return busy(told, err)
	}
	if f, err = d.look(ctx, spec); err != nil || ready(f, g) {
		return err
	}
	return fmt.Errorf("growpart did not make %s large enough: it has %s of the %s disk%s", f.device(), show(f.Device.Length), show(f.Device.DiskBytes), said(out))
}

// ready reports whether the device has room for what the file system should reach.
func ready(f facts, g growth) bool {
	end := f.Device.Start + f.Device.Length
	return end >= g.To || fills(g.To, f.Device.DiskBytes) && f.Device.DiskBytes-end < slack
}

// growFileSystem grows the file system while it is in use.
func (d *Driver) growFileSystem(ctx context.Context, spec Spec, g growth, f facts) error {
	if f.reach() >= g.To {
		return nil
	}
	if f.Not != "" {
		return refused("%s", f.Not)
	}
	command := fileSystemCommand(f, g.To, f.Device.DiskBytes)
	out, err := d.system.do(ctx, command[0], command[1:]...)
	if err != nil {
		return busy(out, err)
	}
	if f, err = d.look(ctx, spec); err != nil || f.reach() >= g.To {
		return err
	}
	return fmt.Errorf("%s did not make the file system at %s large enough: it reaches %s, not %s%s",
		strings.Join(command, " "), f.Path, show(f.reach()), show(g.To), said(out))
}

// busy marks a failure that is only another process at the same work, such as one of a predecessor
// that was killed and has left its tool running.
func busy(out string, err error) error {
	text := strings.ToLower(out)
	for _, sign := range []string{"busy", "already in progress", "resource temporarily unavailable", "try again"} {
		if strings.Contains(text, sign) && !errors.Is(err, actuators.ErrTransient) {
			return fmt.Errorf("%w: %w", actuators.ErrTransient, err)
		}
	}
	return err
}
