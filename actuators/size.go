package actuators

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/engramd/engramd/policy"
)

// PlanHash binds an approval to what exactly would be done.
func PlanHash(from, to policy.Quantity, p Plan) string {
	b, err := json.Marshal(struct {
		From, To policy.Quantity
		Strategy policy.Strategy
		Steps    []Step
	}{from, to, p.Strategy, p.Steps})
	if err != nil { // only a Step whose Args are not JSON can do this
		b = fmt.Append(nil, from, to, p)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// Rounding of platforms: systemd and the kubelet round a quota to 10 ms a second, kernels round
// memory to pages of up to 64 KiB; of a disk a partition table and alignment take some MiB.
const (
	cpuRounding     = 10
	memoryRounding  = 64 << 10
	storageRounding = 4 << 20
)

// Same reports whether a platform that was told want and shows got has done what it was told, given
// how platforms round. Unset and unlimited show the same.
func Same(res policy.Resource, got, want policy.Quantity) bool {
	w, limited := want.Amount()
	g, shown := got.Amount()
	one, isSet := got.Set()
	if other, alsoSet := want.Set(); isSet || alsoSet {
		return isSet == alsoSet && one == other
	}
	if !limited || !shown {
		return limited == shown
	}
	var rounding int64
	switch res {
	case policy.CPU:
		rounding = cpuRounding
	case policy.Memory:
		rounding = memoryRounding
	case policy.Storage:
		rounding = storageRounding
	}
	return max(g-w, w-g) <= rounding
}

// closer reports whether got is the size one, where rounding might take it for other as well.
func closer(res policy.Resource, got, one, other policy.Quantity) bool {
	if !Same(res, got, one) {
		return false
	}
	g, ok := got.Amount()
	a, okA := one.Amount()
	b, okB := other.Amount()
	if !ok || !okA || !okB {
		return true
	}
	return max(g-a, a-g) <= max(g-b, b-g)
}

// standing is where the parts of a target are between two sizes.
type standing struct {
	from, to, other []string        // the names of the parts at each
	down            []string        // parts that do not run
	seen            policy.Quantity // the last odd value, else the last value
}

// stand sorts the parts of st. A part that the platform shows no value for is in none.
func stand(st State, res policy.Resource, from, to policy.Quantity) standing {
	var s standing
	for _, p := range st.Parts {
		if !p.Running {
			s.down = append(s.down, p.Name)
		}
		got, ok := effective(p, res)
		odd := false
		switch {
		case !ok:
			continue
		case closer(res, got, to, from):
			s.to = append(s.to, p.Name)
		case closer(res, got, from, to):
			s.from = append(s.from, p.Name)
		default:
			s.other, odd = append(s.other, p.Name), true
		}
		if odd || len(s.other) == 0 {
			s.seen = got
		}
	}
	return s
}

// told is what the platform was told of a part's size, false where that is only what there is to be had.
func told(p Part, res policy.Resource) (policy.Quantity, bool) {
	q, ok := p.Configured[res]
	return q, ok && !slices.Contains(p.Partial, res)
}

// Size is what a part has of r, from which changes of it begin: what it was configured with, or what it
// has taken of what is to be had.
func (p Part) Size(r policy.Resource) (policy.Quantity, bool) {
	if q, ok := told(p, r); ok {
		return q, true
	}
	return effective(p, r)
}

// Holds is what a configured quantity comes to where nothing else is shown: what is unset is not limited.
func Holds(q policy.Quantity) policy.Quantity {
	if q.IsUnset() {
		return policy.Unlimited()
	}
	return q
}

// effective is what holds for a part; what was configured stands in where nothing else is shown.
func effective(p Part, res policy.Resource) (policy.Quantity, bool) {
	if q, ok := p.Effective[res]; ok {
		return q, true
	}
	q, ok := p.Configured[res]
	return q, ok
}

// allTo and allFrom report that every part runs at that size, and that there is one.
func (s standing) allTo() bool {
	return len(s.to) > 0 && len(s.from)+len(s.other)+len(s.down) == 0
}

func (s standing) allFrom() bool {
	return len(s.from) > 0 && len(s.to)+len(s.other)+len(s.down) == 0
}

// sameParts reports whether st holds just the parts that the plan was made for.
func sameParts(planned []PartID, st State) (string, bool) {
	id := func(p PartID) string { return p.ID }
	was, is := idsOf(planned, id), idsOf(PartIDsOf(st), id)
	if len(planned) == 0 || slices.Equal(was, is) {
		return "", true
	}
	return fmt.Sprintf("the plan was for %s, and there is %s now", short(was), short(is)), false
}

func idsOf(parts []PartID, by func(PartID) string) []string {
	ids := make([]string, 0, len(parts))
	for _, p := range parts {
		ids = append(ids, by(p))
	}
	slices.Sort(ids)
	return ids
}

// short writes ids for people: the first twelve letters of each, as docker does.
func short(ids []string) string {
	if len(ids) == 0 {
		return "nothing"
	}
	cut := make([]string, 0, len(ids))
	for _, id := range ids {
		cut = append(cut, id[:min(12, len(id))])
	}
	return strings.Join(cut, ", ")
}
