package service

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// waitForDisk writes so many bytes to a file of its own and syncs it: the request waits for the disk, and for
// nothing else.
func (s *Service) waitForDisk(w http.ResponseWriter, r *http.Request) {
	n, err := ParseBytes(r.URL.Query().Get("bytes"))
	if err != nil || n > 64<<20 {
		problem(w, http.StatusBadRequest, fmt.Sprintf("bytes=%q: want up to 64Mi", r.URL.Query().Get("bytes")))
		return
	}
	s.measure(w, r, "write", func(context.Context) error { return writeSynced(s.config.Data, n) })
}

func writeSynced(dir string, n int64) error {
	f, err := os.CreateTemp(dir, "sync-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(make([]byte, n)); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(f.Name()), err)
	}
	return f.Sync()
}
