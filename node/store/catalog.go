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
	if err := disk.WriteWhole(fsys, catalogFile, append(sealed, '\n')); err != nil {
		return room(fmt.Errorf("write catalog: %w", err))
	}
	return nil
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
