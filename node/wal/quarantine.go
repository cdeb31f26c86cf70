package wal

import (
	"errors"
	"fmt"
	"path"

	"github.com/engramd/engramd/node/disk"
)

// hole reports that first to last are lost, and keeps the bytes where they should have been.
func (r *recovery) hole(first, last uint64) error {
	p := r.lost
	h := Hole{First: first, Last: last, Segment: p.segment.name(), Offset: p.begin}
	if p.end > p.begin {
		b, err := p.segment.read(p.begin, int(p.end-p.begin), nil)
		if err != nil {
			return err
		}
		dir := path.Join(r.log.opts.Dir, "quarantine")
		if err := r.log.opts.FS.MakeDir(dir); err != nil {
			return fmt.Errorf("make the quarantine: %w", err)
		}
		h.Quarantine = path.Join(dir, fmt.Sprintf("%s-%d", h.Segment, h.Offset))
		if err := disk.WriteWhole(r.log.opts.FS, h.Quarantine, b); err != nil {
			return fmt.Errorf("keep damaged log: %w", err)
		}
	}
	r.report.Holes = append(r.report.Holes, h)
	r.log.opts.Logger.Error("log entries are lost", "first_lsn", first, "last_lsn", last,
		"segment", h.Segment, "offset", h.Offset, "quarantine", h.Quarantine)
	return nil
}

// settle makes what was read durable (a process that was killed may have left it in the page cache: a reader
// could see it now, and a power cut take it back), names as well as bytes, and sets unused segments aside.
func (r *recovery) settle() error {
	l := r.log
	if err := l.opts.FS.SyncDir(l.opts.Dir); err != nil {
		return fmt.Errorf("sync the log's directory: %w", err)
	}
	read := l.sealed
	l.sealed = nil
	var err error
	for _, s := range read {
		if s.last <= r.floor { // nothing in it, or nothing that is not safe elsewhere
			err = errors.Join(err, l.retire(s))
			continue
		}
		l.sealed = append(l.sealed, s)
		if e := s.file.Sync(); e != nil {
			err = errors.Join(err, fmt.Errorf("sync log segment %s: %w", s.name(), e))
		}
	}
	return err
}
