package store

import (
	"bytes"
	"testing"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/disk/powercut"
	"github.com/engramd/engramd/node/record"
)

// FuzzDecode reads what a base and a catalog may hold, whatever it is: nothing panics, and what is accepted is what would be written.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(state{space: 1, applied: 2, count: 3, hashes: 4, next: 5}.append(nil))
	f.Add(appendEdges(nil, []EdgeTo{{1, 2}, {3, 4}}))
	f.Add(setAccess(nil, 7, record.Access{Activation: 0.5, Count: 2}))
	f.Add([]byte(`{"catalog":{"next_id":1,"spaces":null},"crc32c":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := readState(b); err == nil && !bytes.Equal(s.append(nil), b) {
			t.Errorf("state %+v", s)
		}
		if edges, err := readEdges(nil, b); err == nil && !bytes.Equal(appendEdges(nil, edges), b) {
			t.Errorf("edges %v", edges)
		}
		_ = eachAccess(1, b, func(ord record.Ord, _ record.Access) {
			if ord/perPage != 1 {
				t.Errorf("ordinal %d in page 1", ord)
			}
		})
		if plain, err := unseal("x", []byte("key"), b); err == nil && !bytes.Equal(appendSealed(nil, []byte("key"), plain), b) {
			t.Error("sealed in another way")
		}
		d := powercut.New()
		if err := disk.WriteWhole(d, catalogFile, b); err != nil {
			t.Fatal(err)
		}
		_, _ = readCatalog(d)
	})
}
