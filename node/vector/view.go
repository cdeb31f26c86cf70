package vector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/viterin/vek/vek32"
)

// Options of a view. Dir is needed.
type Options struct {
	Dir    string       // of the space
	FS     disk.FS      // what writes to Dir; nil: the real one
	Logger *slog.Logger // nil: none
	Scalar bool         // compute in plain Go even where the processor could do better
}

// A View is the vectors of one space. Its methods may be called from any goroutine.
type View struct {
	opts Options
	own  *disk.OS // opened by New
	log  *slog.Logger
	dot  func(a, b []float32) float32

	checkpointing sync.Mutex // one writer of the file
	copies        []*Copy    // under way; changed by who holds checkpointing
	file          atomic.Pointer[file]

	mu      sync.RWMutex // all below; never held while the map is touched
	dim     int          // 0: not known yet
	rows    []row        // by ordinal
	pending map[record.Ord][]float32
	count   int // rows with a vector
	bad     int // of them damaged
	seen    uint64
	fed     chan struct{} // closed by the next Apply; nil: nobody waits
	faults  []error
	closed  bool
}

// A row is what is known of an ordinal's vector.
type row struct {
	version uint64  // of the write that set it; 0: no vector
	inverse float32 // 1 / length
	state   uint8
}

// What a row can say.
const (
	isPending uint8 = 1 << iota // not in the file yet
	isChecked                   // in the file, and was found whole
	isDamaged
	isWide // too long or too short for float32 arithmetic; or zero
)

const maxFaults = 100

var _ store.View = (*View)(nil)

// New opens the vector file in the directory of a space, if there is one, and starts nothing. It is one of the space's
// [store.Views].
func New(opts Options) (*View, error) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil, errors.New("vectors: this machine is big endian, the vector file is not")
	}
	v := &View{opts: opts, log: opts.Logger, dot: vek32.Dot, pending: map[record.Ord][]float32{}, rows: make([]row, 1)}
	if opts.Scalar || !vek32.Info().Acceleration {
		v.dot = plainDot
	}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	v.log = v.log.With("component", "vector")
	if v.opts.FS == nil {
		var err error
		if v.own, err = disk.NewOS(opts.Dir); err != nil {
			return nil, fmt.Errorf("vectors: %w", err)
		}
		v.opts.FS = v.own
	}
	f, err := openFile(v.opts.FS, opts.Dir)
	switch {
	case errors.Is(err, record.ErrCorrupt):
		v.fault(err) // the rows will find that their slots are missing
	case err != nil:
		return nil, errors.Join(fmt.Errorf("vectors: %w", err), v.Close())
	case f != nil:
		v.file.Store(f)
		v.dim = f.dim
	}
	return v, nil
}

// LoadValue implements store.View.
func (v *View) LoadValue(ord record.Ord, value record.Value) {
	v.seen = max(v.seen, value.Version())
	if version := value.VectorVersion(); version != 0 {
		v.set(ord, row{version: version})
	}
}

// LoadEdges implements store.View.
func (v *View) LoadEdges(record.Ord, []store.EdgeTo) {}

// LoadAccess implements store.View.
func (v *View) LoadAccess(record.Ord, record.Access) {}

// Loaded implements store.View.
func (v *View) Loaded() error { return nil }

// Apply implements store.View. It keeps the vectors.
func (v *View) Apply(ops []record.Op) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range ops {
		op := &ops[i]
		switch {
		case op.Kind == record.Put && len(op.Vector) > 0:
			v.put(op)
		case op.Kind == record.Put:
			v.keep(op.Ord, op.Value.VectorVersion())
		case op.Kind == record.Delete:
			v.keep(op.Ord, 0)
		}
		v.seen = op.LSN
	}
	if v.fed != nil {
		close(v.fed)
		v.fed = nil
	}
}

// put takes a new vector.
func (v *View) put(op *record.Op) {
	if v.dim == 0 {
		v.dim = len(op.Vector)
	}
	r := row{version: op.LSN, state: isPending}
	if err := record.CheckVector(op.Vector, v.dim); err != nil {
		// Whoever wrote it did not ask [record.CheckVector]; it has no place here.
		delete(v.pending, op.Ord)
		r.state = isDamaged
		v.set(op.Ord, r)
		v.fault(damaged(op.Ord, err.Error()))
		return
	}
	r.inverse, r.state = v.length(op.Vector, r.state)
	v.pending[op.Ord] = op.Vector
	v.set(op.Ord, r)
}

// keep takes a write that left the vector as it was, or took it away: version 0.
func (v *View) keep(ord record.Ord, version uint64) {
	if v.row(ord).version == version {
		return
	}
	delete(v.pending, ord)
	v.set(ord, row{version: version})
}

func (v *View) row(ord record.Ord) row {
	if int(ord) >= len(v.rows) {
		return row{}
	}
	return v.rows[ord]
}

// set replaces a row and keeps the counts.
func (v *View) set(ord record.Ord, r row) {
	if n := int(ord) + 1 - len(v.rows); n > 0 {
		if r.version == 0 {
			return
		}
		v.rows = append(v.rows, make([]row, n)...)
	}
	old := &v.rows[ord]
	v.count += truth(r.version != 0) - truth(old.version != 0)
	v.bad += truth(r.state&isDamaged != 0) - truth(old.state&isDamaged != 0)
	*old = r
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fault remembers damage. Whoever calls it holds the lock, or is alone.
func (v *View) fault(err error) {
	if len(v.faults) < maxFaults {
		v.faults = append(v.faults, err)
	}
	v.log.Error("a stored vector is damaged", "dir", v.opts.Dir, "error", err)
}

// Faults returns the damage that was found so far, at most 100.
func (v *View) Faults() []error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return append([]error(nil), v.faults...)
}

// Stats are what a view tells about itself.
type Stats struct {
	Dimension    int // 0: no vector yet
	Count        int // memories with a vector
	Damaged      int // of them, as far as was looked
	Pending      int // not in the file yet
	PendingBytes int64
	FileBytes    int64 // length of the file, which is sparse
}

// Stats tells about the view.
func (v *View) Stats() Stats {
	v.mu.RLock()
	defer v.mu.RUnlock()
	s := Stats{
		Dimension: v.dim, Count: v.count, Damaged: v.bad, Pending: len(v.pending),
		PendingBytes: int64(len(v.pending)) * 4 * int64(v.dim),
	}
	if f := v.file.Load(); f != nil {
		f.mu.RLock()
		s.FileBytes = f.size
		f.mu.RUnlock()
	}
	return s
}

// Close implements store.View.
func (v *View) Close() error {
	v.checkpointing.Lock()
	defer v.checkpointing.Unlock()
	v.mu.Lock()
	v.closed = true
	if v.fed != nil {
		close(v.fed)
		v.fed = nil
	}
	v.mu.Unlock()
	var errs []error
	if f := v.file.Load(); f != nil {
		errs = append(errs, f.close())
	}
	if v.own != nil {
		errs = append(errs, v.own.Close())
		v.own = nil
	}
	return errors.Join(errs...)
}
