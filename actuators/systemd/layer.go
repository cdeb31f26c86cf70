package systemd

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
)

// places are the two directories that the driver's part of a unit's configuration is in.
type places struct {
	control string // SetUnitProperties writes there
	own     string // for the driver's own drop-ins
}

// placesOf finds the places of a unit. What is transient ends with the unit, so its place does not
// outlive the host's uptime either.
func placesOf(s Spec, transient bool) places {
	switch {
	case !s.User && transient:
		return places{"/run/systemd/transient", "/run/systemd/system"}
	case !s.User && s.Persistent:
		return places{"/etc/systemd/system.control", "/etc/systemd/system"}
	case !s.User:
		return places{"/run/systemd/system.control", "/run/systemd/system"}
	case transient:
		return places{userRuntime() + "/systemd/transient", userRuntime() + "/systemd/user"}
	case s.Persistent:
		return places{userConfig() + "/systemd/user.control", userConfig() + "/systemd/user"}
	}
	return places{userRuntime() + "/systemd/user.control", userRuntime() + "/systemd/user"}
}

func userConfig() string {
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return dir
	}
	home, _ := os.UserHomeDir()
	return filepath.Join(cmp.Or(home, "/"), ".config")
}

// controlFile is what SetUnitProperties writes for a setting.
func (p places) controlFile(unit, key string) string {
	return filepath.Join(p.control, unit+".d", controlName(key))
}

func controlName(key string) string { return "50-" + key + ".conf" }

// ownFile is the driver's own drop-in.
func (p places) ownFile(unit string) string { return filepath.Join(p.own, unit+".d", OwnDropIn) }

// A layer is where one setting of a unit stands: what systemd has loaded, and what of that is in the
// two files that the driver may change.
type layer struct {
	Value   string  `json:"value,omitempty"`
	Control *string `json:"control,omitempty"` // the whole file; nil for none
	Own     *string `json:"own,omitempty"`     // the lines; nil for none
	// Ours says that the control file, if there is one, is the driver's.
	Ours bool `json:"ours,omitempty"`
	// Others is a file of somebody else that sets it, "" for none.
	Others string `json:"others,omitempty"`
	// Beaten is a file that would win over the control file at the next daemon-reload, Beats the one
	// that would win over the own drop-in too.
	Beaten string `json:"beaten,omitempty"`
	Beats  string `json:"beats,omitempty"`
}

// layers finds out about every setting.
func (f files) layers(u unit, p places, found []file) (map[string]layer, error) {
	all := make(map[string]layer)
	own, err := f.read(p.ownFile(u.Name))
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		l := layer{Value: u.Settings[key]}
		name := p.controlFile(u.Name, key)
		if l.Control, err = f.read(name); err != nil {
			return nil, err
		}
		if l.Ours, err = f.ours(filepath.Dir(name), filepath.Base(name), key); err != nil {
			return nil, err
		}
		if own != nil {
			l.Own = linesOf(*own, key)
		}
		l.rank(key, name, p.ownFile(u.Name), found)
		all[key] = l
	}
	return all, nil
}

// rank finds the files that stand above the driver's. Of two files of one name only one is read, so
// such a file stands above too, whatever it sets. Sets of numbers add up over all files that do not
// begin with an empty assignment, as those of SetUnitProperties do not.
func (l *layer) rank(key, control, own string, found []file) {
	for _, f := range found {
		_, sets := f.sets[key]
		switch {
		case f.path == control:
			continue
		case f.path == own:
			if sets {
				l.Beaten = f.path
			}
			continue
		case f.name() == OwnDropIn || sets && isDropIn(f.path) && f.name() > OwnDropIn:
			l.Beats = f.path
		}
		above := isDropIn(f.path) && f.name() > filepath.Base(control)
		if f.name() == filepath.Base(control) || sets && (above || isMask(key)) {
			l.Beaten = f.path
		}
		if sets {
			l.Others = f.path
		}
	}
	if l.Control != nil && !l.Ours {
		l.Others = control
	}
}

func isDropIn(path string) bool { return filepath.Ext(filepath.Dir(path)) == ".d" }

// A way is how a setting is made so.
type way string

const (
	byProperty way = "property" // SetUnitProperties
	byDropIn   way = "drop-in"  // the driver's own, and a reload
	byClearing way = "clear"    // nothing sets it any more, and a reload
	byKeeping  way = "keep"     // nothing changes in the end
)

// wayTo finds the way to a value.
func (l layer) wayTo(key, value string) (way, error) {
	switch {
	case value == "" && l.Others == "":
		return byClearing, nil
	case l.Beaten == "":
		return byProperty, nil
	case l.Beats == "":
		return byDropIn, nil
	case filepath.Base(l.Beats) == OwnDropIn:
		return "", fmt.Errorf("an earlier change is in %s, and one of the two files would not be read: run `engramd release` with the old persistent setting first", l.Beats)
	}
	return "", fmt.Errorf("%s sets %s and is read after %s: give it a name that sorts before", l.Beats, key, OwnDropIn)
}
