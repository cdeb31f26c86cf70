package service

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// tierNames are the tiers that memory can be held in.
var tierNames = []string{"hot", "warm", "cold"}

// chunkBytes is the unit in which memory is held.
const chunkBytes = 1 << 20

// A hoard holds memory outside Go's heap, so that it is really there when asked for and really gone when freed.
type hoard struct {
	mu       sync.Mutex
	tiers    map[string][][]byte
	failures int64
}

// set makes a tier hold exactly n bytes, rounded up to whole chunks, each page written.
func (h *hoard) set(tier string, n int64) error {
	if !slices.Contains(tierNames, tier) {
		return fmt.Errorf("tier %q: want hot, warm or cold", tier)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tiers == nil {
		h.tiers = map[string][][]byte{}
	}
	want := int((n + chunkBytes - 1) / chunkBytes)
	for len(h.tiers[tier]) < want {
		chunk, err := unix.Mmap(-1, 0, chunkBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			h.failures++
			return fmt.Errorf("allocate memory: %w", err)
		}
		for i := 0; i < len(chunk); i += 4096 {
			chunk[i] = byte(i>>12) | 1
		}
		h.tiers[tier] = append(h.tiers[tier], chunk)
	}
	for len(h.tiers[tier]) > want {
		last := len(h.tiers[tier]) - 1
		if err := unix.Munmap(h.tiers[tier][last]); err != nil {
			return fmt.Errorf("free memory: %w", err)
		}
		h.tiers[tier] = h.tiers[tier][:last]
	}
	return nil
}

// free gives everything back.
func (h *hoard) free() error {
	for _, tier := range tierNames {
		if err := h.set(tier, 0); err != nil {
			return err
		}
	}
	return nil
}

// held returns the bytes of each tier that was ever used, and how many allocations failed.
func (h *hoard) held() (tiers map[string]int64, failures int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	tiers = map[string]int64{}
	for tier, chunks := range h.tiers {
		tiers[tier] = int64(len(chunks)) * chunkBytes
	}
	return tiers, h.failures
}

// setPageCache writes and reads a file of n bytes in dir, so that the kernel caches it; 0 removes the file.
func setPageCache(dir string, n int64) error {
	name := filepath.Join(dir, "page-cache")
	if n == 0 {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("drop the page cache: %w", err)
		}
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("fill the page cache: %w", err)
	}
	defer f.Close()
	if err := writeBytes(f, n); err != nil {
		return fmt.Errorf("fill the page cache: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("fill the page cache: %w", err)
	}
	if _, err := io.Copy(io.Discard, f); err != nil {
		return fmt.Errorf("fill the page cache: %w", err)
	}
	return nil
}

// writeBytes writes n bytes and syncs them: clean pages can be reclaimed, dirty ones cannot.
func writeBytes(f *os.File, n int64) error {
	block := slices.Repeat([]byte("engram"), 1<<16)
	for n > 0 {
		written, err := f.Write(block[:min(n, int64(len(block)))])
		if err != nil {
			return err
		}
		n -= int64(written)
	}
	return f.Sync()
}
