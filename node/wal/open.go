package wal

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// ErrUnreadable says that the log cannot be read at all.
var ErrUnreadable = errors.New("the log is unreadable")

// A Batch is what recovery reads. Its bytes are valid until the next one.
type Batch struct {
	First   uint64
	Count   int
	Entries []byte
}

// A Hole is a range of LSNs that were answered and are lost.
type Hole struct {
	First, Last uint64 // LSNs
	Segment     string
	Offset      int64
	Quarantine  string // the file that keeps the bytes
}

func (h Hole) String() string {
	return fmt.Sprintf("LSN %d to %d are lost: %s is damaged at offset %d; the bytes are kept in %s",
		h.First, h.Last, h.Segment, h.Offset, h.Quarantine)
}

// A Report says what recovery found.
type Report struct {
	Segments  int
	Batches   int
	LastLSN   uint64
	Floor     uint64 // up to which segments were released
	TornBytes int64  // of the last batch, which nobody was answered for
	Holes     []Hole
}

// Open reads the log and calls replay for each batch, LSNs ascending. after is the highest LSN that is known to have been given. An error of
// replay ends it. Nothing is started.
func Open(opts Options, after uint64, applier Applier, replay func(Batch) error) (*Log, Report, error) {
	l := &Log{
		opts: opts.withDefaults(), applier: applier,
		wake: make(chan struct{}, 1), prepared: make(chan preparation), freed: make(chan struct{}, 1), yield: make(chan struct{}, 1),
		placing: make(turn, 1), writing: make(turn, 1), applying: make(turn, 1),
	}
	l.SetRetention(l.opts.Retention)
	r := recovery{log: l, replay: replay}
	if err := r.run(); err != nil {
		return nil, r.report, errors.Join(err, l.Close())
	}
	l.next = max(r.report.LastLSN, r.floor, after) + 1
	l.placed = l.next
	l.durable.Store(l.next - 1)
	r.report.LastLSN = l.next - 1
	return l, r.report, nil
}

// A recovery is one reading of a log.
type recovery struct {
	log    *Log
	replay func(Batch) error
	report Report
	floor  uint64
	buf    []byte

	last uint64 // LSN of the last valid entry; zero: none yet
	lost *place // where the thread was lost since then
}

// A place is a stretch of a segment without valid batches.
type place struct {
	segment    *segment
	begin, end int64
	torn       int64 // bytes of the batch that began there, if its header says so
}

func (r *recovery) run() error {
	l := r.log
	if err := l.opts.FS.MakeDir(l.opts.Dir); err != nil {
		return fmt.Errorf("make the log's directory: %w", err)
	}
	var err error
	if r.floor, err = l.readFloor(); err != nil {
		return err
	}
	if err := r.list(); err != nil {
		return err
	}
	for _, s := range l.sealed {
		if err := r.segment(s); err != nil {
			return err
		}
	}
	r.report.LastLSN, r.report.Segments, r.report.Floor = r.last, len(l.sealed), r.floor
	if r.lost != nil {
		r.report.TornBytes = r.lost.torn
	}
	return r.settle()
}

// list opens the segments, and removes what was never finished.
func (r *recovery) list() error {
	l := r.log
	names, err := l.opts.FS.List(l.opts.Dir)
	if err != nil {
		return fmt.Errorf("list the log: %w", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, unfinished) {
			if err := l.opts.FS.Remove(path.Join(l.opts.Dir, name)); err != nil {
				return fmt.Errorf("remove what was unfinished: %w", err)
			}
			continue
		}
		s, ok := parseName(name)
		if !ok {
			continue
		}
		if s.file, err = l.opts.FS.Open(path.Join(l.opts.Dir, name)); err != nil {
			return fmt.Errorf("open log segment: %w", err)
		}
		l.sealed = append(l.sealed, &s)
		if s.size, err = s.file.Size(); err != nil {
			return fmt.Errorf("size of log segment: %w", err)
		}
		l.number = max(l.number, s.number)
	}
	slices.SortFunc(l.sealed, func(a, b *segment) int { return int(int64(a.number) - int64(b.number)) })
	l.segments.Store(int64(len(l.sealed)))
	return nil
}

// segment reads one segment to its end.
func (r *recovery) segment(s *segment) error {
	for off := int64(0); off < s.size; {
		h, b, ok, err := s.at(off, r.buf)
		r.buf = b
		if err != nil {
			return err
		}
		if !ok {
			if off, err = r.skip(s, off, h); err != nil {
				return err
			}
			continue
		}
		if err := r.batch(s, off, h, b[headerBytes:]); err != nil {
			return err
		}
		off += int64(padded(len(b)))
	}
	return nil
}

// skip is called where no valid batch is, and returns where the next one is, or the end.
func (r *recovery) skip(s *segment, off int64, h header) (int64, error) {
	next, _, ok, err := s.next(off+align, nil)
	if err != nil {
		return 0, err
	}
	if !ok {
		next = s.size
	}
	if r.lost == nil {
		r.lost = &place{segment: s, begin: off, end: next}
		if h.size > 0 {
			r.lost.torn = min(headerBytes+int64(h.size), next-off)
		}
	}
	return next, nil
}

// batch takes a valid batch: it continues where the last one ended, or shows a hole before it.
func (r *recovery) batch(s *segment, off int64, h header, entries []byte) error {
	if h.first <= r.last {
		return fmt.Errorf("%w: segment %s at offset %d has LSN %d again; move the segment away to start without it",
			ErrUnreadable, s.name(), off, h.first)
	}
	if begin := max(r.last, r.floor) + 1; h.first > begin {
		if r.lost == nil {
			r.lost = &place{segment: s, begin: off, end: off}
		}
		if err := r.hole(begin, h.first-1); err != nil {
			return err
		}
	}
	r.lost = nil
	if s.first == 0 {
		s.first = h.first
	}
	s.last, r.last = h.last(), h.last()
	if r.last <= r.floor {
		return nil // safe elsewhere: the segment was released and not yet used again
	}
	r.report.Batches++
	return r.replay(Batch{First: h.first, Count: int(h.count), Entries: entries})
}
