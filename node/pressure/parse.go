package pressure

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

func missing(name, key string) error { return fmt.Errorf("%s: has no %s", name, key) }

// parseKilobytes reads the lines "Key:  12 kB" of a /proc file, in bytes. Lines of another form are left out.
func parseKilobytes(name string, text []byte) (map[string]int64, error) {
	out := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		key, rest, ok := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if !ok || len(fields) != 2 || fields[1] != "kB" {
			continue
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64>>10 {
			return nil, fmt.Errorf("%s: %s is %.40q kB", name, key, fields[0])
		}
		out[key] = n << 10
	}
	return out, nil
}

// parseStat reads the lines "key 12" of a memory.stat.
func parseStat(name string, text []byte) (map[string]int64, error) {
	out := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return nil, fmt.Errorf("%s: want a key and a number, got %.80q", name, line)
		}
		n, err := parseBytes(name, fields[1])
		if err != nil {
			return nil, fmt.Errorf("%w of %s", err, fields[0])
		}
		out[fields[0]] = n
	}
	return out, nil
}

// parseBytes reads a number of bytes; one that is too large for an int64 is the largest.
func parseBytes(name, s string) (int64, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %.40q is not a number of bytes", name, s)
	}
	return int64(min(n, math.MaxInt64)), nil
}

// noLimit is from where v1's limits mean none: the largest number of pages, whatever their size.
const noLimit = 1 << 60

// parseLimit reads a limit, zero for none.
func parseLimit(name string, text []byte) (int64, error) {
	if strings.TrimSpace(string(text)) == "max" {
		return 0, nil
	}
	n, err := parseBytes(name, string(text))
	if err != nil || n >= noLimit {
		return 0, err
	}
	if n == 0 {
		return 1, nil // a limit of nothing is a limit
	}
	return n, nil
}
