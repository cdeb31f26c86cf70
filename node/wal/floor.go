package wal

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"

	"github.com/engramd/engramd/node/disk"
)

// The floor is the LSN up to which everything is safe elsewhere, written before a segment goes. It tells
// a log whose first segments were released from one whose first batches are unreadable, and keeps LSNs
// growing when the log is empty.
type floor struct {
	LSN uint64 `json:"lsn"`
	CRC uint32 `json:"crc32c"`
}

func (f floor) sum() uint32 {
	return crc32.Checksum(fmt.Appendf(nil, "floor %d", f.LSN), castagnoli)
}

func (l *Log) floorPath() string { return path.Join(l.opts.Dir, "floor.json") }

func (l *Log) writeFloor(lsn uint64) error {
	f := floor{LSN: lsn}
	f.CRC = f.sum()
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if err := disk.WriteWhole(l.opts.FS, l.floorPath(), append(b, '\n')); err != nil {
		return fmt.Errorf("write the log's floor: %w", err)
	}
	return nil
}

// readFloor returns zero for a log that never released anything.
func (l *Log) readFloor() (uint64, error) {
	b, err := disk.ReadWhole(l.opts.FS, l.floorPath())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the log's floor: %w", err)
	}
	var f floor
	if err := json.Unmarshal(b, &f); err != nil || f.CRC != f.sum() {
		return 0, fmt.Errorf("%w: the log's floor in %s is damaged", ErrUnreadable, l.floorPath())
	}
	return f.LSN, nil
}
