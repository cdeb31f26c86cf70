package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
)

// recordVersion is the form of records that this engramd writes, and the newest it reads.
const recordVersion = 1

// errRecord says that a record is not what was written; the text tells how that shows.
var errRecord = errors.New("corrupted record")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum covers where a record belongs, too, so that one under a foreign key is noticed.
func checksum(bucket, key, body []byte) uint32 {
	sum := crc32.Update(0, castagnoli, bucket)
	sum = crc32.Update(sum, castagnoli, []byte{0})
	sum = crc32.Update(sum, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, []byte{0})
	return crc32.Update(sum, castagnoli, body)
}

// encode writes "version checksum json".
func encode(bucket, key []byte, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", bucket, key, err)
	}
	return fmt.Appendf(nil, "%d %08x %s", recordVersion, checksum(bucket, key, body), body), nil
}

// decode reads what encode wrote. It wraps ErrNewer or errRecord.
func decode(bucket, key, raw []byte, into any) error {
	version, rest, ok := bytes.Cut(raw, []byte(" "))
	n, err := strconv.ParseUint(string(version), 10, 16)
	if !ok || err != nil {
		return fmt.Errorf("%w: no version in front", errRecord)
	}
	if n > recordVersion {
		return fmt.Errorf("%w: %s %q has version %d, this one reads up to %d", ErrNewer, bucket, key, n, recordVersion)
	}
	sum, body, ok := bytes.Cut(rest, []byte(" "))
	if !ok || len(sum) != 8 {
		return fmt.Errorf("%w: no checksum", errRecord)
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil {
		return fmt.Errorf("%w: no checksum", errRecord)
	}
	if got := checksum(bucket, key, body); got != uint32(want) {
		return fmt.Errorf("%w: checksum is %08x, want %08x", errRecord, got, want)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: %v", errRecord, err)
	}
	return nil
}
