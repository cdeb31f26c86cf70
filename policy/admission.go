package policy

import "fmt"

// Claim is what a target counts for in host admission: its limit, or its use if it has no limit,
// times its parts.
func Claim(limit Quantity, use int64, parts int) int64 {
	if n, ok := limit.Amount(); ok {
		use = n
	}
	return use * int64(max(parts, 1))
}

// admit cuts a growth of CPU or memory to what the host has left.
func (z *sizing) admit() {
	h := z.s.Host
	if h.Skip != "" || z.r != CPU && z.r != Memory {
		return
	}
	room, text, missing := h.room(z.r)
	if missing != "" {
		z.refuse("host admission: %s is not known, so nothing more of %s is granted", missing, z.r)
		return
	}
	parts := int64(max(z.s.Parts, 1))
	share := max(room/parts, 0)
	share -= share % z.grain()
	if z.to <= share {
		return
	}
	if parts > 1 {
		text += fmt.Sprintf(", for %d parts", parts)
	}
	if share <= z.from {
		z.refuse("host admission: %s stays at %s: %s", z.r, z.amount(z.from), text)
	}
	z.cut("host admission", share, "%s", text)
}

// room is how much of r all parts of one target may have together, with the sum that says so; or what
// is not known.
func (h Host) room(r Resource) (n int64, text, missing string) {
	capacity, ok := h.Capacity[r]
	if !ok || capacity <= 0 {
		return 0, "", "the host's " + string(r)
	}
	format := func(n int64) string { return r.Format(Amount(n)) }
	n = capacity - h.Reserve[r]
	text = fmt.Sprintf("the host has %s, less %s in reserve", format(capacity), format(h.Reserve[r]))
	if r == CPU && h.Overcommit {
		return n, text + " leaves " + format(n), ""
	}
	others, ok := h.OtherTargets[r]
	if !ok {
		return 0, "", "what the host's other targets may use"
	}
	n -= others
	text += fmt.Sprintf(", less %s of other targets", format(others))
	if r == Memory {
		use, ok := h.OtherUse[r]
		if !ok {
			return 0, "", "what the rest of the host uses"
		}
		n -= use
		text += fmt.Sprintf(", less %s that everything else uses", format(use))
	}
	if n < 0 {
		return n, text + fmt.Sprintf(": exceeded by %s already", format(-n)), ""
	}
	return n, text + " leaves " + format(n), ""
}
