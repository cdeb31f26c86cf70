package vector

import (
	"context"

	"github.com/engramd/engramd/node/record"
)

// block is how many ordinals are looked at between two looks at the rows.
const block = 256

// Scrub reads every slot of the file again and isolates what is damaged. It returns how many it read, and how many of those
// were newly found damaged.
func (v *View) Scrub(ctx context.Context) (read, found int, err error) {
	for from := record.Ord(1); ; from += block {
		if ctx.Err() != nil {
			return read, found, context.Cause(ctx)
		}
		rows := v.snapshot(nil, from)
		if rows == nil {
			return read, found, nil
		}
		for i, r := range rows {
			if r.version == 0 || r.state&(isPending|isDamaged) != 0 {
				continue
			}
			read++
			found += truth(!v.check(from+record.Ord(i), r))
		}
	}
}

// snapshot copies the rows from an ordinal on, at most a block, into dst; nil if there are none.
func (v *View) snapshot(dst []row, from record.Ord) []row {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.closed || int(from) >= len(v.rows) {
		return nil
	}
	return append(dst[:0], v.rows[from:min(int(from)+block, len(v.rows))]...)
}

// check looks whether the slot of ord is what the row r says, and notes it; false if it is damaged.
func (v *View) check(ord record.Ord, r row) bool {
	vector, err := v.fromFile(ord, r.version)
	if err != nil {
		return !v.isolate(ord, r, err)
	}
	inverse, state := v.length(vector, isChecked)
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.row(ord)
	if now.version == r.version && now.state&(isPending|isDamaged) == 0 {
		v.set(ord, row{version: r.version, inverse: inverse, state: state})
	}
	return true
}
