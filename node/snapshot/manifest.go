package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/record"
)

// What can be wrong with a snapshot. errors.Is finds it in what is returned.
var (
	ErrNotFound = errors.New("no such snapshot")
	ErrInUse    = errors.New("the snapshot is in use")
	ErrDamaged  = errors.New("the snapshot is damaged")
)

// An Info tells about one snapshot.
type Info struct {
	Manifest
	Told
	Bytes int64 `json:"bytes"` // of its files
}

// A Manifest is what a snapshot says about itself.
type Manifest struct {
	Name      string         `json:"name"`
	Space     string         `json:"space"`
	SpaceID   record.SpaceID `json:"space_id"` // the timeline from which it was taken
	Dimension int            `json:"dimension"`
	LSN       uint64         `json:"lsn"` // up to which it is complete
	CreatedAt time.Time      `json:"created_at"`
	Memories  int            `json:"memories"`
	Edges     int            `json:"edges"`
	Damaged   int            `json:"damaged,omitempty"` // values that were damaged in the space already
	Files     []File         `json:"files"`
}

// A File is one file of a snapshot.
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Told is what happened to a snapshot since it was taken.
type Told struct {
	VerifiedAt time.Time `json:"verified_at,omitzero"` // when all of it was last read and found whole
	ArchivedTo []Archive `json:"archived_to,omitempty"`
	// Damage says why it cannot be restored; empty: as far as was looked, it can.
	Damage string `json:"damage,omitempty"`
}

// An Archive is a bucket that has the snapshot.
type Archive struct {
	URL string    `json:"url"`
	At  time.Time `json:"at"`
}

const (
	manifestFile = "manifest.json"
	toldFile     = "told.json"
	baseFile     = "base.db"
	vectorFile   = "vectors"
	maxManifest  = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealedManifest is the file: the checksum is over the bytes of the manifest in it.
type sealedManifest struct {
	Manifest json.RawMessage `json:"manifest"`
	CRC      uint32          `json:"crc32c"`
}

func (m Manifest) seal() ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	b, err = json.Marshal(sealedManifest{Manifest: b, CRC: crc32.Checksum(b, castagnoli)})
	return append(b, '\n'), err
}

// readManifest reads what seal wrote, for the snapshot of this name.
func readManifest(b []byte, name string) (Manifest, error) {
	var m Manifest
	var sealed sealedManifest
	if err := json.Unmarshal(b, &sealed); err != nil || crc32.Checksum(sealed.Manifest, castagnoli) != sealed.CRC {
		return m, fmt.Errorf("%w: the checksum of %s/%s does not match", ErrDamaged, name, manifestFile)
	}
	if err := json.Unmarshal(sealed.Manifest, &m); err != nil {
		return m, fmt.Errorf("%w: %s/%s: %w", ErrDamaged, name, manifestFile, err)
	}
	n, err := ParseName(m.Name)
	switch {
	case err != nil || m.Name != name:
		return m, fmt.Errorf("%w: %s/%s is that of %.80q", ErrDamaged, name, manifestFile, m.Name)
	case n.Space != m.Space || m.Dimension < 0 || m.Dimension > record.MaxDimension || len(m.Files) == 0:
		return m, fmt.Errorf("%w: %s/%s contradicts itself", ErrDamaged, name, manifestFile)
	}
	for i, f := range m.Files {
		if f.Name != []string{baseFile, vectorFile}[min(i, 1)] || i > 1 || f.Bytes < 0 {
			return m, fmt.Errorf("%w: %s/%s has a file %.80q", ErrDamaged, name, manifestFile, f.Name)
		}
	}
	return m, nil
}

// info reads what there is to know about a snapshot without reading all of it.
func (s *Shelf) info(name string) (Info, error) {
	var i Info
	b, err := disk.ReadWhole(s.fs, path.Join(name, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		if names, listErr := s.fs.List(name); listErr != nil || len(names) == 0 {
			return i, fmt.Errorf("%w: %s", ErrNotFound, name)
		}
	}
	if err != nil {
		return i, fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	if i.Manifest, err = readManifest(b, name); err != nil {
		return i, err
	}
	for _, f := range i.Files {
		i.Bytes += f.Bytes
	}
	i.Told, err = s.told(name)
	return i, err
}

// told reads what is told of a snapshot. It is a comfort: one that cannot be read is empty.
func (s *Shelf) told(name string) (Told, error) {
	var t Told
	b, err := disk.ReadWhole(s.fs, path.Join(name, toldFile))
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return t, fmt.Errorf("read %s of snapshot %s: %w", toldFile, name, err)
	}
	if json.Unmarshal(b, &t) != nil {
		return Told{}, nil
	}
	return t, nil
}

// tell changes what is told of a snapshot.
func (s *Shelf) tell(name string, change func(*Told)) error {
	s.telling.Lock()
	defer s.telling.Unlock()
	t, err := s.told(name)
	if err != nil {
		return err
	}
	change(&t)
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := disk.WriteWhole(s.fs, path.Join(name, toldFile), append(b, '\n')); err != nil {
		return fmt.Errorf("note what happened to snapshot %s: %w", name, err)
	}
	return nil
}
