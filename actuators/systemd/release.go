package systemd

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/engramd/engramd/policy"
)

// Release removes what is left of the driver's: its drop-in, the files of SetUnitProperties that it
// made and nobody has changed since, its lists and the directories that it made. What the
// administrator's own files say holds then.
func (d *Driver) Release(ctx context.Context, t policy.Target) error {
	spec, m, err := d.reach(t)
	if err != nil {
		return err
	}
	u, err := m.unit(ctx, spec.Unit)
	if err != nil {
		return err
	}
	changed := u.NeedReload // a release that was cut short
	for _, one := range []struct{ persistent, transient bool }{{}, {persistent: true}, {transient: true}} {
		p := placesOf(Spec{User: spec.User, Persistent: one.persistent}, one.transient)
		did, err := d.clear(ctx, m, u, change{Unit: u.Name, Runtime: !one.persistent}, p)
		if err != nil {
			return err
		}
		changed = changed || did
	}
	if !changed {
		return nil
	}
	return m.reload(ctx)
}

// clear removes what the driver made in one place.
func (d *Driver) clear(ctx context.Context, m *manager, u unit, c change, p places) (changed bool, err error) {
	c.Control, c.Own = p.control, p.own
	r := d.resizing(m, c, earlier{})
	for _, key := range keys {
		did, err := r.clearKey(ctx, u, key)
		if err != nil {
			return changed, err
		}
		changed = changed || did
	}
	return changed, d.forgetLists(u.Name, p)
}

func (r *resizing) clearKey(ctx context.Context, u unit, key string) (changed bool, err error) {
	name := r.places().controlFile(u.Name, key)
	ours, err := r.files.ours(filepath.Dir(name), filepath.Base(name), key)
	if err != nil {
		return false, err
	}
	own, err := r.files.read(r.places().ownFile(u.Name))
	if err != nil || !ours && (own == nil || linesOf(*own, key) == nil) {
		return false, err
	}
	control, err := r.files.read(name)
	if err != nil {
		return false, err
	}
	if ours {
		control = nil
	}
	if err := r.spread(ctx, u, map[string]string{key: ""}); err != nil {
		return false, err
	}
	return r.putFiles(key, control, nil)
}

// forgetLists removes lists whose files are gone, or somebody else's by now.
func (d *Driver) forgetLists(unit string, p places) error {
	for _, base := range []string{p.control, p.own} {
		dir := filepath.Join(base, unit+".d")
		list, err := d.files.made(dir)
		if err != nil {
			return err
		}
		names := make([]string, 0, len(list))
		for name := range list {
			if name != "." {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			key := strings.TrimSuffix(strings.TrimPrefix(name, "50-"), ".conf")
			ours, err := d.files.ours(dir, name, key)
			there := d.files.exists(filepath.Join(dir, name))
			if err == nil && (!there || !ours && name != OwnDropIn) {
				err = d.files.disclaim(dir, name)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
