package testenv

import (
	"os"
	"strconv"
	"time"
)

// Patience is how long to wait at most for what takes d at most on an ordinary machine: ENGRAMD_PATIENCE says how many
// times slower this one is. [Eventually] goes by it already.
func Patience(d time.Duration) time.Duration {
	times, err := strconv.ParseFloat(os.Getenv("ENGRAMD_PATIENCE"), 64)
	if err != nil || times < 1 {
		return d
	}
	return time.Duration(float64(d) * times)
}
