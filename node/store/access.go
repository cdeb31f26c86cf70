package store

import (
	"fmt"

	"github.com/engramd/engramd/node/record"
)

// The base keeps accesses in pages of 256 ordinals, so that many touches become few writes. An access of zeros
// is none.
const perPage = 256

func pageOf(ord record.Ord) record.Ord { return ord / perPage }

// setAccess returns page with the access of ord set.
func setAccess(page []byte, ord record.Ord, a record.Access) []byte {
	if len(page) < perPage*record.AccessBytes {
		page = append(page, make([]byte, perPage*record.AccessBytes-len(page))...)
	}
	at := int(ord%perPage) * record.AccessBytes
	record.AppendAccess(page[:at], a)
	return page
}

// eachAccess calls fn for every access of a page.
func eachAccess(number record.Ord, page []byte, fn func(record.Ord, record.Access)) error {
	if len(page) != perPage*record.AccessBytes {
		return fmt.Errorf("%w: page of accesses of %d bytes", record.ErrCorrupt, len(page))
	}
	for i := range record.Ord(perPage) {
		b := page[int(i)*record.AccessBytes:][:record.AccessBytes]
		if [record.AccessBytes]byte(b) == [record.AccessBytes]byte{} {
			continue
		}
		a, err := record.ReadAccess(b)
		if err != nil {
			return err
		}
		fn(number*perPage+i, a)
	}
	return nil
}
