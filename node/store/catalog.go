package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/record"
)

// A catalog says which spaces there are. It is replaced whole at each change; a deleted space stays in it as a tombstone
// until its files are gone, and no id is given twice.
type catalog struct {
	NextID record.SpaceID `json:"next_id"`
	Spaces []entry        `json:"spaces"`
	// Aliases lead from a second name to a space's name.
	Aliases map[string]string `json:"aliases,omitempty"`
}

// An entry is one space of the catalog.
type entry struct {
	ID        record.SpaceID `json:"id"`
	Name      string         `json:"name"`
	Dimension int            `json:"dimension,omitempty"` // of its vectors; 0: not fixed yet
	CreatedAt time.Time      `json:"created_at"`
	Deleted   bool           `json:"deleted,omitempty"`
}

const catalogFile = "catalog.json"

// sealedCatalog is the file: the checksum is over the bytes of the catalog in it.
type sealedCatalog struct {
	Catalog json.RawMessage `json:"catalog"`
	CRC     uint32          `json:"crc32c"`
}

// readCatalog returns an empty catalog for a store that is new.
func readCatalog(fsys disk.FS) (catalog, error) {
	c := catalog{NextID: 1}
	b, err := disk.ReadWhole(fsys, catalogFile)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read catalog: %w", err)
	}
	var sealed sealedCatalog
	if err := json.Unmarshal(b, &sealed); err != nil || crc32.Checksum(sealed.Catalog, castagnoli) != sealed.CRC {
		return c, fmt.Errorf("%w: the checksum of %s does not match; restore it from a snapshot", record.ErrCorrupt, catalogFile)
	}
	if err := json.Unmarshal(sealed.Catalog, &c); err != nil {
		return c, fmt.Errorf("read catalog: %w", err)
	}
	return c, nil
}

func (c catalog) write(fsys disk.FS) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	sealed, err := json.Marshal(sealedCatalog{Catalog: b, CRC: crc32.Checksum(b, castagnoli)})
	if err != nil {
		return err
	}
	err = disk.WriteWhole(fsys, catalogFile, append(sealed, '\n'))
	switch {
	case errors.Is(err, disk.ErrUnsure):
		return fmt.Errorf("%w: write catalog: %w", ErrReadOnly, err)
	case err != nil:
		return room(fmt.Errorf("write catalog: %w", err))
	}
	return nil
}

// replace makes c the catalog. Whoever calls it holds mu. After an error the disk has the old one, unless it is ErrReadOnly: then it may have
// either, and nothing may be built upon one of them, or removed that the other names.
func (st *Store) replace(c catalog) error {
	if p := st.broken.Load(); p != nil {
		return *p
	}
	err := c.write(st.opts.FS)
	if err == nil && st.opts.atCatalog != nil {
		err = st.opts.atCatalog()
	}
	if errors.Is(err, ErrReadOnly) {
		st.breaks(err)
	}
	if err == nil {
		st.catalog = c
	}
	return err
}

// discard removes the files of a space that did not get into the catalog, because of err.
func (st *Store) discard(e entry, err error) error {
	if errors.Is(err, ErrReadOnly) {
		return err // it may have got there, or the next start sweeps
	}
	return errors.Join(err, removeAll(st.opts.FS.Path(spaceDir(e.ID))))
}

// clone returns a copy that may be changed.
func (c catalog) clone() catalog {
	c.Spaces = append([]entry(nil), c.Spaces...)
	aliases := make(map[string]string, len(c.Aliases))
	maps.Copy(aliases, c.Aliases)
	c.Aliases = aliases
	return c
}

// find returns the entry of the living space of this name, or nil.
func (c *catalog) find(name string) *entry {
	for i := range c.Spaces {
		if e := &c.Spaces[i]; e.Name == name && !e.Deleted {
			return e
		}
	}
	return nil
}
