package systemd

import (
	"path/filepath"
	"slices"
	"strings"
)

// A file is a unit file or a drop-in of a unit, and what it sets of [keys].
type file struct {
	path string
	sets map[string]string
}

func (f file) name() string { return filepath.Base(f.path) }

// survey reads all files that have a say in a unit: those that systemd has loaded, and those that it
// would find at the next daemon-reload.
func (f files) survey(u unit, a about) ([]file, error) {
	paths := slices.Clone(u.DropIns)
	if u.Fragment != "" {
		paths = append(paths, u.Fragment)
	}
	for _, dir := range dropInDirs(u, a.UnitPath) {
		names, err := f.list(dir)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.HasSuffix(name, ".conf") {
				paths = append(paths, filepath.Join(dir, name))
			}
		}
	}
	slices.Sort(paths)
	var found []file
	for _, path := range slices.Compact(paths) {
		text, err := f.read(path)
		if err != nil {
			return nil, err
		}
		if text != nil {
			found = append(found, file{path, assignments(*text)})
		}
	}
	return found, nil
}

// dropInDirs lists where systemd looks for drop-ins of a unit: by its names, its template, the
// prefixes of its name up to a dash, and its type.
func dropInDirs(u unit, unitPath []string) []string {
	var names []string
	for _, name := range append([]string{u.Name}, u.Names...) {
		names = append(names, name)
		suffix := "." + kindOf(name)
		prefix := strings.TrimSuffix(name, suffix)
		if template, _, ok := strings.Cut(prefix, "@"); ok {
			names = append(names, template+"@"+suffix)
			prefix = template
		}
		for i := strings.LastIndexByte(prefix, '-'); i > 0; i = strings.LastIndexByte(prefix[:i], '-') {
			names = append(names, prefix[:i+1]+suffix)
		}
		names = append(names, kindOf(name))
	}
	slices.Sort(names)
	var dirs []string
	for _, base := range unitPath {
		for _, name := range slices.Compact(names) {
			dirs = append(dirs, filepath.Join(base, name+".d"))
		}
	}
	return dirs
}
