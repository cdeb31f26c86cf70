package docker

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/testenv/workload/service"
)

// Starts reads what the workloads on a data directory (WORKLOAD_DATA, bound from the host) have written down: each start
// in turn, and each start that was refused because another workload still held the directory.
func Starts(t testing.TB, data string) (starts, violations []service.Start) {
	t.Helper()
	return readStarts(t, filepath.Join(data, "starts.jsonl")), readStarts(t, filepath.Join(data, "violations.jsonl"))
}

func readStarts(t testing.TB, name string) (starts []service.Start) {
	t.Helper()
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	defer f.Close()
	for decoder := json.NewDecoder(f); ; {
		var s service.Start
		switch err := decoder.Decode(&s); {
		case errors.Is(err, io.EOF):
			return starts
		case err != nil:
			t.Fatalf("testenv: read %s: %v", name, err)
		}
		starts = append(starts, s)
	}
}
