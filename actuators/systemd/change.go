package systemd

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/engramd/engramd/actuators"
)

// A change is some settings of one unit, on their ways.
type change struct {
	Unit    string `json:"unit"`
	Runtime bool   `json:"runtime,omitempty"`
	Control string `json:"control"` // see places
	Own     string `json:"own"`
	// Stop allows to stop the unit before, because a restart follows.
	Stop     bool      `json:"stop,omitempty"`
	Settings []setting `json:"settings"`
}

func (c change) places() places { return places{c.Control, c.Own} }

// A setting is the value that a change gives to one key, "" for none.
type setting struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
	Way   way    `json:"way"`
}

// earlier is where the same settings stood before, in the same order.
type earlier struct {
	Settings []kept `json:"settings"`
}

// kept is what an undo brings back.
type kept struct {
	Value   string  `json:"value,omitempty"`
	Control *string `json:"control,omitempty"`
	Own     *string `json:"own,omitempty"`
	Ours    bool    `json:"ours,omitempty"`
}

// A resizing carries a change out, or takes it back.
type resizing struct {
	*Driver
	m *manager
	change
	was earlier
}

func (d *Driver) resizing(m *manager, c change, e earlier) *resizing {
	return &resizing{Driver: d, m: m, change: c, was: e}
}

// do makes the change. It may be done again.
func (r *resizing) do(ctx context.Context) error {
	u, err := r.m.unit(ctx, r.Unit)
	if err == nil {
		err = u.usable()
	}
	if err != nil {
		return err
	}
	if err := r.makeRoom(ctx, u, r.wanted()); err != nil {
		return err
	}
	if err := r.spread(ctx, u, r.wanted()); err != nil {
		return err
	}
	var live []setting
	for _, s := range r.Settings {
		if s.Way == byProperty {
			if err := r.claim(s); err != nil {
				return err
			}
			live = append(live, s)
		}
	}
	if err := r.m.set(ctx, r.Unit, r.Runtime, live...); err != nil {
		return err
	}
	written, err := r.write()
	if err != nil || !written && !r.unread(u) {
		return err
	}
	return r.m.reload(ctx)
}

// unread reports whether files that were written before have not been loaded yet.
func (r *resizing) unread(u unit) bool {
	return slices.ContainsFunc(r.Settings, func(s setting) bool { return s.Way != byProperty && u.Settings[s.Key] != s.Value })
}

// write brings the files of what is not set by property to where they should be, and reports whether
// any was changed.
func (r *resizing) write() (changed bool, err error) {
	for i, s := range r.Settings {
		var did bool
		switch s.Way {
		case byDropIn:
			line := inDropIn(s.Key, s.Value)
			did, err = r.putFiles(s.Key, r.was.Settings[i].Control, &line)
		case byClearing:
			did, err = r.putFiles(s.Key, nil, nil)
		case byKeeping:
			did, err = r.putFiles(s.Key, r.was.Settings[i].Control, r.was.Settings[i].Own)
		}
		if err != nil {
			return changed, err
		}
		changed = changed || did
	}
	return changed, nil
}

// putFiles makes the two files of one setting so: control is the whole text of one, own the lines of
// the other.
func (r *resizing) putFiles(key string, control, own *string) (changed bool, err error) {
	name, ownName := r.places().controlFile(r.Unit, key), r.places().ownFile(r.Unit)
	changed, err = r.putControl(name, key, control)
	if err != nil {
		return changed, err
	}
	text, err := r.files.read(ownName)
	if err != nil {
		return changed, err
	}
	before := ""
	if text != nil {
		before = *text
	}
	after := withLines(before, r.Unit, key, own)
	switch {
	case after == before:
		if after == "" { // a directory made, and nothing else
			err = r.files.disclaim(filepath.Dir(ownName), OwnDropIn)
		}
		return changed, err
	case after == "":
		if err = r.files.remove(ownName); err == nil {
			err = r.files.disclaim(filepath.Dir(ownName), OwnDropIn)
		}
	default:
		if err = r.files.claim(filepath.Dir(ownName), OwnDropIn, ""); err == nil {
			err = r.files.write(ownName, after)
		}
	}
	return true, err
}

func (r *resizing) putControl(name, key string, text *string) (changed bool, err error) {
	dir, base := filepath.Dir(name), filepath.Base(name)
	now, err := r.files.read(name)
	if err != nil {
		return false, err
	}
	if text == nil {
		if now != nil {
			err = r.files.remove(name)
		}
		if err == nil {
			err = r.files.disclaim(dir, base)
		}
		return now != nil, err
	}
	if now == nil || *now != *text {
		changed, err = true, r.files.write(name, *text)
	}
	if err == nil {
		err = r.files.reclaim(dir, base, key+"="+assignments(*text)[key])
	}
	return changed, err
}

// claim notes that what SetUnitProperties will write is the driver's.
func (r *resizing) claim(s setting) error {
	return r.files.claim(filepath.Join(r.Control, r.Unit+".d"), controlName(s.Key), assignment(s.Key, s.Value))
}

// wanted are the values that the change leads to, earlierValues those before it.
func (r *resizing) wanted() map[string]string {
	values := map[string]string{}
	for _, s := range r.Settings {
		values[s.Key] = s.Value
	}
	return values
}

func (r *resizing) earlierValues() map[string]string {
	values := map[string]string{}
	for i, s := range r.Settings {
		values[s.Key] = r.was.Settings[i].Value
	}
	return values
}

// undo brings back what was there. It may be done again, and without a do.
func (r *resizing) undo(ctx context.Context) error {
	u, err := r.m.unit(ctx, r.Unit)
	if err != nil {
		return err
	}
	back := r.earlierValues()
	if u.Load == "loaded" {
		if err := r.makeRoom(ctx, u, back); err != nil {
			return err
		}
		if err := r.spread(ctx, u, back); err != nil {
			return err
		}
	}
	changed := false
	for i, s := range r.Settings {
		k := r.was.Settings[i]
		did, err := r.putFiles(s.Key, k.Control, k.Own)
		if err != nil {
			return err
		}
		changed = changed || did || u.Settings[s.Key] != k.Value
	}
	if changed {
		err = r.m.reload(ctx)
	}
	if u.Load != "loaded" && err == nil {
		return fmt.Errorf("%w: %s: the files are as they were, and there is no unit to give its old size back to", actuators.ErrNotFound, r.Unit)
	}
	return err
}
