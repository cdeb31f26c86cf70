package systemd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// How the kernel is given time to reclaim below a lowered MemoryHigh.
const (
	reclaimFor   = 20 * time.Second
	reclaimEvery = 250 * time.Millisecond
	// watchFor is how long a unit is watched below its new MemoryHigh: at first the kernel takes more
	// than it must, so that it takes seconds until a working set that does not fit is read again.
	watchFor = 10 * time.Second
	// stallOver is over how long stalls are looked at, maxStall the share of it in which every process
	// of the unit waited for memory, above which a shrink is called off.
	stallOver = 2 * time.Second
	maxStall  = 0.10
)

// errStalls calls a shrink off.
var errStalls = errors.New("all its processes wait for memory")

// makeRoom prepares the unit for a memory limit below the present one. The kernel kills for want of
// memory where a limit does not fit, so what cannot be given up must fit first. Then MemoryHigh comes
// down, which only slows the unit while the kernel reclaims.
func (r *resizing) makeRoom(ctx context.Context, u unit, values map[string]string) error {
	to, limited := bytesOf(values[memoryMax]).Amount()
	now, had := bytesOf(u.Settings[memoryMax]).Amount()
	if !limited || had && now <= to || !u.running() || u.Cgroup == "" {
		return nil
	}
	use, err := r.memoryUse(u)
	if err == nil && use.tight(to) {
		err = tooSmall(u, use.hard, to)
	}
	if err != nil && r.Stop {
		return r.stopFirst(ctx, u, err)
	}
	if err != nil || use.usage < to || !use.v2 {
		return err // it fits, or the kernel reclaims and refuses by itself
	}
	at := slices.IndexFunc(r.Settings, func(s setting) bool { return s.Key == memoryHigh })
	if high, ok := bytesOf(u.Settings[memoryHigh]).Amount(); at < 0 || ok && high <= to {
		return nil
	}
	low := setting{Key: memoryHigh, Value: strconv.FormatInt(to&^4095, 10)}
	if err := r.claim(low); err != nil {
		return err
	}
	err = r.m.set(ctx, r.Unit, r.Runtime, low)
	if err == nil {
		err = r.reclaimed(ctx, u, to)
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, r.highAgain(context.WithoutCancel(ctx), u, at))
}

// highAgain gives MemoryHigh back what it was before a shrink that was called off.
func (r *resizing) highAgain(ctx context.Context, u unit, at int) error {
	err := r.m.set(ctx, r.Unit, r.Runtime, setting{Key: memoryHigh, Value: u.Settings[memoryHigh]})
	if err != nil {
		return err
	}
	k := r.was.Settings[at]
	if u.Settings[memoryHigh] != k.Value {
		return nil // on the way back: the undo that goes on brings the files back
	}
	if _, err := r.putFiles(memoryHigh, k.Control, k.Own); err != nil {
		return err
	}
	return r.m.reload(ctx)
}

// reclaimed waits until the unit's memory is below to, and calls it off when all its processes stall:
// the kernel takes page cache away at once, and then the unit may read it again and again. So stalls
// are looked at for a while in any case, where they can be seen.
func (r *resizing) reclaimed(ctx context.Context, u unit, to int64) error {
	tick := time.NewTicker(reclaimEvery)
	defer tick.Stop()
	began := time.Now()
	var stalls []stall
	for {
		use, err := r.memoryUse(u)
		switch {
		case err != nil:
			return err
		case use.tight(to):
			return tooSmall(u, use.hard, to)
		case use.usage <= to && use.stalled == nil:
			return nil
		}
		if stalls = append(stalls, stall{time.Now(), use.stalled}); stalledTooLong(stalls) {
			return fmt.Errorf("%w: %s: while its memory was brought below %s %w for more than 10%% of the time, so MemoryHigh was given back: let it keep more, or try when it does less",
				actuators.ErrRefused, u.Name, policy.Memory.Format(policy.Amount(to)), errStalls)
		}
		if took := time.Since(began); took >= watchFor && use.usage <= to || took >= reclaimFor {
			return nil // what is left above is page cache, which goes when the limit comes
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fault("wait for memory to be reclaimed", context.Cause(ctx))
		}
	}
}

// A stall is for how long all processes had waited for memory by an instant; nil is not known.
type stall struct {
	at   time.Time
	full *time.Duration
}

// stalledTooLong looks at the newest stretch of stallOver.
func stalledTooLong(stalls []stall) bool {
	last := stalls[len(stalls)-1]
	for _, s := range slices.Backward(stalls) {
		over := last.at.Sub(s.at)
		if over < stallOver {
			continue
		}
		return last.full != nil && s.full != nil && float64(*last.full-*s.full) > maxStall*float64(over)
	}
	return false
}

// memoryUse is what a unit holds.
type memoryUse struct {
	usage   int64 // everything that is charged
	hard    int64 // what the kernel cannot take back: usage less the pages of files
	stalled *time.Duration
	v2      bool
}

// tight reports whether what cannot be given up has less than a tenth to spare below a new limit.
func (u memoryUse) tight(to int64) bool { return u.hard+u.hard/10 >= to }

func (r *resizing) memoryUse(u unit) (memoryUse, error) {
	g, err := cgroup.At(r.files.root, u.Cgroup)
	if err != nil {
		return memoryUse{}, unknownUse(u, err)
	}
	s, err := g.Read()
	if err != nil || s.Memory.Usage == nil {
		return memoryUse{}, unknownUse(u, err)
	}
	return memoryUse{*s.Memory.Usage, *s.Memory.Unreclaimable(), s.Pressure.Memory.Full, g.V2}, nil
}

func unknownUse(u unit, err error) error {
	return fmt.Errorf("%w: the memory use of %s cannot be read, so a lower limit might kill it: %w; run engramd on the host, with /sys/fs/cgroup to be seen", actuators.ErrRefused, u.Name, errOr(err))
}

func errOr(err error) error {
	if err == nil {
		return errors.New("its control group shows none (MemoryAccounting=no?)")
	}
	return err
}

func tooSmall(u unit, use, to int64) error {
	bytes := func(n int64) string { return policy.Memory.Format(policy.Amount(n)) }
	return fmt.Errorf("%w: %s uses %s of memory that cannot be reclaimed, and with a tenth to spare that does not fit into %s: free some first, or let it restart (apply: {memory: restart})",
		actuators.ErrRefused, u.Name, bytes(use), bytes(to))
}
