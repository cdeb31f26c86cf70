package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
	bolt "go.etcd.io/bbolt"
)

// formatKey holds the version of the whole file's layout, in meta.
const (
	formatKey = "format"
	format    = 1
)

// prepare checks the file, reads every record once, sets aside what cannot be read and builds the
// indexes. It writes only where something is missing or broken, so that an existing journal opens on
// a full disk.
func (j *Journal) prepare() error {
	if err := j.layout(); err != nil {
		return err
	}
	var faults []Fault
	err := j.db.View(func(tx *bolt.Tx) error {
		for _, bucket := range buckets {
			found, err := j.read(tx, bucket)
			if err != nil {
				return err
			}
			faults = append(faults, found...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	j.index.settle()
	j.setAside(faults)
	return nil
}

// layout makes the buckets that are missing and checks who wrote the file.
func (j *Journal) layout() error {
	missing := false
	err := j.db.View(func(tx *bolt.Tx) error {
		for _, bucket := range buckets {
			missing = missing || tx.Bucket(bucket) == nil
		}
		if tx.Bucket(bucketMeta) == nil {
			return nil
		}
		n, err := getRecord[int](tx, bucketMeta, formatKey)
		switch {
		case errors.Is(err, ErrNewer):
			return err
		case err != nil:
			missing = true // lost or broken: the records carry versions of their own
		case n > format:
			return fmt.Errorf("%w: its layout is %d, this one reads up to %d", ErrNewer, n, format)
		}
		return nil
	})
	if err != nil || !missing {
		return err
	}
	return j.db.Update(func(tx *bolt.Tx) error {
		for _, bucket := range buckets {
			if _, err := tx.CreateBucketIfNotExists(bucket); err != nil {
				return err
			}
		}
		return putRecord(tx, bucketMeta, formatKey, format)
	})
}

// read decodes every record of a bucket for the indexes, and reports those that are broken.
func (j *Journal) read(tx *bolt.Tx, bucket []byte) (faults []Fault, err error) {
	err = tx.Bucket(bucket).ForEach(func(k, raw []byte) error {
		err := j.readOne(bucket, k, raw)
		if errors.Is(err, ErrNewer) {
			return err
		}
		if err != nil {
			text, _ := json.Marshal(string(raw))
			faults = append(faults, Fault{Bucket: string(bucket), Key: string(k), Reason: err.Error(), At: time.Now(), Raw: text})
		}
		return nil
	})
	return faults, err
}

func (j *Journal) readOne(bucket, key, raw []byte) error {
	switch string(bucket) {
	case string(bucketActions):
		var a actuators.Action
		if err := decode(bucket, key, raw, &a); err != nil {
			return err
		}
		if a.ID != string(key) {
			return fmt.Errorf("%w: it says to be %q", errRecord, a.ID)
		}
		j.index.action(a)
		return nil
	case string(bucketDecisions):
		var d policy.Decision
		if err := decode(bucket, key, raw, &d); err != nil {
			return err
		}
		if d.ID != string(key) {
			return fmt.Errorf("%w: it says to be %q", errRecord, d.ID)
		}
		j.index.decision(d)
		return nil
	}
	var any json.RawMessage
	return decode(bucket, key, raw, &any)
}

// setAside moves broken records out of the way and says so. A disk that is too full for that only
// puts it off: broken records are skipped wherever they are.
func (j *Journal) setAside(faults []Fault) {
	for _, f := range faults {
		j.log.Error("journal record cannot be read and was set aside", "bucket", f.Bucket, "key", f.Key, "reason", f.Reason)
		j.faults = append(j.faults, f)
		err := j.update("set aside", func(tx *bolt.Tx) error {
			if f.Bucket != string(bucketAside) {
				if err := putRecord(tx, bucketAside, f.Bucket+"/"+f.Key, f); err != nil {
					return err
				}
			}
			return tx.Bucket([]byte(f.Bucket)).Delete([]byte(f.Key))
		})
		if err != nil {
			j.log.Warn("broken journal record stays where it is", "bucket", f.Bucket, "key", f.Key, "error", err)
		}
	}
}
