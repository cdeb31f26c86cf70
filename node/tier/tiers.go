package tier

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/node/pressure"
)

// Options of [Tiers]. Zero values are defaults.
type Options struct {
	// Policy is what Change returns to; DefaultPolicy if zero.
	Policy Policy
	// HotBytes is the heap that copies may take (the guide's hot_tier_size); zero is none.
	HotBytes int64
	// Copies are the copies; a Cache of HotBytes if nil.
	Copies Copies
	// MigratePerSecond bounds how many memories a migration moves; 25,000.
	MigratePerSecond int
	// Pressure is listened to if not nil.
	Pressure *pressure.Gauge
	// ReturnMemory gives the heap's free memory back to the system; debug.FreeOSMemory.
	ReturnMemory func()
	Logger       *slog.Logger
	Now          func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Policy == (Policy{}) {
		o.Policy = DefaultPolicy()
	}
	if o.MigratePerSecond == 0 {
		o.MigratePerSecond = 25_000
	}
	if o.ReturnMemory == nil {
		o.ReturnMemory = debug.FreeOSMemory
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = o.Logger.With("component", "tier")
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Tiers are the tiers of all spaces of a node. Their methods may be called from any goroutine.
type Tiers struct {
	opts     Options
	copies   Copies
	settings *keeper
	meter    meter

	mu    sync.Mutex
	views []*View
	sized int64 // what copies were resized to last
	gone  moves // of views that are closed

	level     atomic.Int32 // pressure.Level
	tight     atomic.Bool  // high or critical when it was last known
	exhausted atomic.Bool
	migrate   chan struct{} // a migration is wanted
}

// New returns the tiers of no space yet. Close lets go of the cache.
func New(opts Options) (*Tiers, error) {
	opts = opts.withDefaults()
	if err := opts.Policy.Validate(); err != nil {
		return nil, err
	}
	if opts.HotBytes < 0 || opts.MigratePerSecond < 0 {
		return nil, fmt.Errorf("%w: neither hot_tier_size %d nor %d migrations a second may be negative", ErrPolicy, opts.HotBytes, opts.MigratePerSecond)
	}
	t := &Tiers{
		opts: opts, copies: opts.Copies, settings: newKeeper(opts.Policy, opts.HotBytes),
		sized: opts.HotBytes, migrate: make(chan struct{}, 1),
	}
	if t.copies == nil {
		cache, err := NewCache(opts.HotBytes)
		if err != nil {
			return nil, err
		}
		t.copies = cache
	}
	t.follow(t.Settings())
	return t, nil
}

// Close lets go of the copies. It comes after Run and after all reads.
func (t *Tiers) Close() { t.copies.Close() }

func (t *Tiers) add(v *View) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.views = append(t.views, v)
}

func (t *Tiers) remove(v *View) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.views, v); i >= 0 {
		_, _, m := v.books.snapshot()
		t.gone.add(m)
		t.views = slices.Delete(t.views, i, i+1)
	}
}

// open returns the views that can be used.
func (t *Tiers) open() []*View {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.views), func(v *View) bool { return v.closed.Load() || v.space.Err() != nil })
}

// Settings returns what is in force.
func (t *Tiers) Settings() Settings { return t.settings.get(t.opts.Now()) }

// Change changes the settings while everything runs. An error wraps ErrPolicy or ErrOwned, and nothing has changed then.
func (t *Tiers) Change(c Change) (Settings, error) {
	before := t.Settings()
	s, err := t.settings.change(c, t.opts.Now())
	if err != nil {
		return s, err
	}
	t.follow(s)
	if before.Until = s.Until; before == s {
		return s, nil // only held for longer
	}
	t.opts.Logger.Info("eviction settings changed", "owner", s.Owner, "hot_threshold", s.Policy.Hot.Threshold,
		"warm_threshold", s.Policy.Warm.Threshold, "hot_max_ratio", s.Policy.Hot.MaxRatio, "warm_max_ratio", s.Policy.Warm.MaxRatio,
		"hot_bytes", s.HotBytes)
	return s, nil
}

// follow makes what depends on the settings follow them.
func (t *Tiers) follow(s Settings) {
	if t.opts.Pressure != nil {
		t.opts.Pressure.SetThresholds(s.Policy.Pressure)
	}
	t.mu.Lock()
	same := t.sized == s.HotBytes
	t.sized = s.HotBytes
	t.mu.Unlock()
	if same {
		return
	}
	t.copies.Resize(s.HotBytes)
	tooMuch := func() bool {
		u := t.copies.Usage()
		return u.Bytes+u.FixedBytes > u.LimitBytes && u.Records > 0
	}
	for _, v := range t.open() {
		v.dropCopies(tooMuch)
	}
}

func (t *Tiers) pressure() pressure.Level { return pressure.Level(t.level.Load()) }

// filling tells whether anything may become hot, and copies be made.
func (t *Tiers) filling() bool { return !t.tight.Load() }

// EvictNow evicts at once what the policy does not allow where it is: ratios first, then thresholds. Nothing becomes hotter. What becomes
// cold does so in the background, while Run runs.
func (t *Tiers) EvictNow() Swept { return t.EvictDownTo(1) }

// EvictDownTo is EvictNow with a bound on the share of memories that stay hot this time, where that is less than the policy's.
func (t *Tiers) EvictDownTo(hotRatio float64) Swept {
	var sum Swept
	s, now := t.Settings(), t.opts.Now()
	s.Policy.Hot.MaxRatio = min(s.Policy.Hot.MaxRatio, hotRatio)
	for _, v := range t.open() {
		sum.add(t.sweep(v, s.Policy, mode{evict: true, limit: math.MaxInt64}, now))
	}
	t.opts.Logger.Info("evicted", "hot_to_warm", sum.HotToWarm, "warm_to_cold", sum.WarmToCold)
	return sum
}

// sweep sweeps one space, and lets a migration follow.
func (t *Tiers) sweep(v *View, p Policy, m mode, now time.Time) Swept {
	swept, hot := v.sweepHot(p, m, now)
	plan, leave := v.planMigration(p, m, hot, now)
	swept.WarmToCold = leave
	v.wanted.Store(plan)
	select {
	case t.migrate <- struct{}{}:
	default:
	}
	return swept
}

// Run sweeps at the policy's intervals, at pressure, and migrates, until ctx ends.
func (t *Tiers) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { t.migrations(ctx) })
	t.sweeps(ctx)
	wg.Wait()
	return nil
}

// migrations runs what sweeps want.
func (t *Tiers) migrations(ctx context.Context) {
	pace := &pacer{perSecond: t.opts.MigratePerSecond}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.migrate:
		}
		for _, v := range t.open() {
			if err := v.migrate(ctx, pace); err != nil && ctx.Err() == nil && !v.closed.Load() && v.space.Err() == nil {
				t.opts.Logger.Warn("a migration ended early; the next sweep goes on", "space", v.space.Name(), "error", err)
			}
		}
	}
}
