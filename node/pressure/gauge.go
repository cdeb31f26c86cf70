package pressure

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Options of a Gauge. Zero values are defaults.
type Options struct {
	// Read takes a sample; that of a zero [System] if nil.
	Read func() (Reading, error)
	// Every is the time between two samples; 1 s.
	Every      time.Duration
	Thresholds Thresholds
	Logger     *slog.Logger
}

// A State is what the last sample told.
type State struct {
	Level Level
	// Ratio is that of the tightest bound; zero means nothing where Level is Unknown.
	Ratio   float64
	Reading Reading
	// Err is why something could not be read, or nil.
	Err error
}

// A Gauge follows the memory of the process. Its methods may be called from any goroutine.
type Gauge struct {
	opts Options

	mu         sync.Mutex
	thresholds Thresholds
	state      State
	listeners  map[chan State]struct{}
}

// New returns a gauge whose level is unknown until the first [Gauge.Sample].
func New(opts Options) *Gauge {
	if opts.Read == nil {
		opts.Read = System{}.Read
	}
	if opts.Every == 0 {
		opts.Every = time.Second
	}
	if opts.Thresholds == (Thresholds{}) {
		opts.Thresholds = DefaultThresholds
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.Logger = opts.Logger.With("component", "pressure")
	return &Gauge{opts: opts, thresholds: opts.Thresholds, listeners: map[chan State]struct{}{}}
}

// Run samples at once and then at every interval, until ctx ends.
func (g *Gauge) Run(ctx context.Context) error {
	tick := time.NewTicker(g.opts.Every)
	defer tick.Stop()
	for {
		g.Sample()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sample takes a sample, tells those who subscribed, and returns what it found.
func (g *Gauge) Sample() State {
	reading, err := g.opts.Read()
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.state
	g.state = g.judge(reading, err)
	g.log(before)
	for ch := range g.listeners {
		deliver(ch, g.state)
	}
	return g.state
}

// judge returns the state of a reading. g is locked.
func (g *Gauge) judge(r Reading, err error) State {
	s := State{Reading: r, Err: err}
	tight, ok := r.Tightest()
	if !ok {
		return s
	}
	s.Ratio = tight.Ratio()
	s.Level = next(g.state.Level, s.Ratio, g.thresholds)
	if err != nil && s.Level == Calm {
		s.Level = Unknown // what was not read may be high
	}
	return s
}

// log tells of changes only. g is locked.
func (g *Gauge) log(before State) {
	s := g.state
	if s.Err != nil && before.Err == nil {
		g.opts.Logger.Warn("memory cannot be read", "error", s.Err)
	}
	if s.Level == before.Level {
		return
	}
	tight, _ := s.Reading.Tightest()
	g.opts.Logger.Info("memory pressure changed", "from", before.Level.String(), "to", s.Level.String(), "ratio", s.Ratio,
		"bound", tight.Name, "used_bytes", tight.UsedBytes, "limit_bytes", tight.LimitBytes)
}

// deliver leaves s in ch in place of what nobody took yet. It is called by one goroutine at a time.
func deliver(ch chan State, s State) {
	select {
	case <-ch:
	default:
	}
	select {
	case ch <- s:
	default:
	}
}

// State returns what the last sample told.
func (g *Gauge) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

// SetThresholds changes where levels begin, from the next sample on. Thresholds that are not valid are ignored.
func (g *Gauge) SetThresholds(t Thresholds) {
	if !t.Valid() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.thresholds = t
}

// Subscribe returns a channel that holds the state of the newest sample that was not taken from it yet, and a function that
// ends the subscription. Every sample is told, not only changes: what was done at one sample shows at the next.
func (g *Gauge) Subscribe() (states <-chan State, cancel func()) {
	ch := make(chan State, 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listeners[ch] = struct{}{}
	return ch, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.listeners, ch)
	}
}
