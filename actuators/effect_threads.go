package actuators

import (
	"fmt"

	"github.com/engramd/engramd/policy"
)

// atWork is the part of a core that each worker more must use to be at work. What waits for a lock uses
// hardly any.
const atWork = 0.5

// threadsNeeded says what shows that the workers of a growth are at work, though what led to it is still
// there: more waits than even they can do. "" if nothing does.
func threadsNeeded(before, after Baseline, first, to policy.Quantity) string {
	was, limited := first.Amount()
	is, some := to.Amount()
	b, a := before.Usage.Cores, after.Usage.Cores
	if !limited || !some || b == nil || a == nil || *a-*b < atWork*float64(is-was) {
		return ""
	}
	return fmt.Sprintf("it uses %.2f cores, %.2f more than before", *a, *a-*b)
}
