package service

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseBytes reads a size: a whole number with an optional Ki, Mi, Gi, K, M or G.
func ParseBytes(text string) (int64, error) {
	number, factor := text, int64(1)
	for _, unit := range []struct {
		suffix string
		factor int64
	}{{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}} {
		if rest, ok := strings.CutSuffix(text, unit.suffix); ok {
			number, factor = rest, unit.factor
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, fmt.Errorf("size %q: want a whole number such as 64Mi", text)
	}
	return n * factor, nil
}
