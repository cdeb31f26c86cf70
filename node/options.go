package node

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// DefaultSpace is the space that is always there.
const DefaultSpace = "default"

// Options of a node. Zero values are defaults; DataDir is needed.
type Options struct {
	DataDir   string
	Dimension int // of the vectors of the default space when it is made; 0: that of its first vector
	Store     store.Options
	Logger    *slog.Logger
	// Now is the clock; time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Store.Logger, o.Store.Now = o.Logger, o.Now
	return o
}

// Validate reports all faults of o.
func (o Options) Validate() error {
	var errs []error
	if o.DataDir == "" {
		errs = append(errs, errors.New("data directory: is not set"))
	}
	if o.Dimension < 0 || o.Dimension > record.MaxDimension {
		errs = append(errs, fmt.Errorf("dimension: %d is outside 0 to %d", o.Dimension, record.MaxDimension))
	}
	return errors.Join(errs...)
}
