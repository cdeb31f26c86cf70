package snapshot

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzManifest: nothing panics, and what is read is what was written.
func FuzzManifest(f *testing.F) {
	const name = "20261122T030000Z-default"
	m := Manifest{
		Name: name, Space: "default", SpaceID: 1, Dimension: 3, LSN: 9, CreatedAt: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC), Memories: 1,
		Files: []File{{baseFile, 4096, "x"}, {vectorFile, 1, "y"}},
	}
	good, err := m.seal()
	if err != nil {
		f.Fatal(err)
	}
	if got, err := readManifest(good, name); err != nil || !cmp.Equal(m, got) {
		f.Fatalf("%+v, %v", got, err)
	}
	f.Add(good)
	for _, change := range []func(*Manifest){
		func(m *Manifest) { m.Name = "../x" },
		func(m *Manifest) { m.Space = "other" },
		func(m *Manifest) { m.Files = nil },
		func(m *Manifest) { m.Files = []File{{"../../etc/passwd", 1, ""}} },
		func(m *Manifest) { m.Files = []File{{baseFile, 1, ""}, {baseFile, 1, ""}} },
		func(m *Manifest) { m.Files = append([]File{}, m.Files[0], m.Files[1], m.Files[1]) },
		func(m *Manifest) { m.Files = []File{{baseFile, -1, ""}} },
		func(m *Manifest) { m.Dimension = -1 },
	} {
		bad := m
		change(&bad)
		b, err := bad.seal()
		if err != nil {
			f.Fatal(err)
		}
		if _, err := readManifest(b, name); !errors.Is(err, ErrDamaged) {
			f.Errorf("%s: %v", b, err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readManifest(b, name)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%v", err)
			}
			return
		}
		for _, file := range m.Files {
			if file.Name != baseFile && file.Name != vectorFile {
				t.Errorf("a file %q", file.Name)
			}
		}
	})
}
