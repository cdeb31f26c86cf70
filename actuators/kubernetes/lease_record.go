package kubernetes

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/engramd/engramd/actuators"
)

// An open action is kept as an annotation of the Lease, one an action: actionPrefix and its id. Kubernetes
// allows a quarter of a MiB for all annotations of an object, so a long record is compressed.
const (
	actionPrefix   = "action.engramd.io/"
	compressedMark = "gzip:"
	compressAbove  = 16 << 10
	annotationRoom = 256 << 10 // of all keys and values
	recordLimit    = 8 << 20   // of one record, unpacked
)

// encodeRecord writes one action as the value of an annotation.
func encodeRecord(a actuators.Action) (string, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("record of action %s: %w", a.ID, err)
	}
	if len(text) <= compressAbove {
		return string(text), nil
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(text) // a buffer takes everything
	_ = z.Close()
	return compressedMark + base64.StdEncoding.EncodeToString(packed.Bytes()), nil
}

func decodeRecord(value string) (actuators.Action, error) {
	text := []byte(value)
	if packed, ok := strings.CutPrefix(value, compressedMark); ok {
		z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(packed)))
		if err != nil {
			return actuators.Action{}, err
		}
		if text, err = io.ReadAll(io.LimitReader(z, recordLimit+1)); err != nil {
			return actuators.Action{}, err
		}
		if len(text) > recordLimit {
			return actuators.Action{}, fmt.Errorf("unpacked it is over %d bytes", recordLimit)
		}
	}
	var a actuators.Action
	if err := json.Unmarshal(text, &a); err != nil {
		return actuators.Action{}, err
	}
	return a, nil
}

// recordsOf returns the open actions among annotations, by id. One that makes no sense may be a change
// half done, so it is not passed over.
func recordsOf(annotations map[string]string) ([]actuators.Action, error) {
	var all []actuators.Action
	for key, value := range annotations {
		id, ours := strings.CutPrefix(key, actionPrefix)
		if !ours {
			continue
		}
		a, err := decodeRecord(value)
		if err == nil && a.ID != id {
			err = fmt.Errorf("it is the record of %q", a.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("the annotation %s makes no sense: %w (see what the workload has now, set it right, and remove the annotation)", key, err)
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b actuators.Action) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

func hasRecords(annotations map[string]string) bool {
	for key := range annotations {
		if strings.HasPrefix(key, actionPrefix) {
			return true
		}
	}
	return false
}

// fits refuses what the API server would, with a reason that one can act on.
func fits(annotations map[string]string, id string) error {
	size := 0
	for key, value := range annotations {
		size += len(key) + len(value)
	}
	if size > annotationRoom {
		return fmt.Errorf("the record of action %s takes %d bytes of the Lease's annotations, which hold %d in all with %d in use: cancel or finish other open actions of the target first",
			id, len(annotations[actionPrefix+id]), annotationRoom, size)
	}
	return nil
}
