package policy

// Decide says what should become of each resource of one target: one decision a resource that
// anything was proposed for, in the order in which they should be carried out. ID is left to the
// caller; Strategy is what the target's `apply` foretells, and Held judged by it: once the driver has
// planned, set Strategy and ask [Hold] again.
func Decide(s Situation) []Decision { return nil }

// EffectiveMode is the mode that holds for a proposal: the most specific one that is set, but an
// agent in dry-run caps all. Where nothing is set it is Approve.
func EffectiveMode(agent, target, policy Mode) Mode {
	switch {
	case agent == DryRun:
		return DryRun
	case policy != "":
		return policy
	case target != "":
		return target
	case agent != "":
		return agent
	}
	return Approve
}

// Claim is what a target counts for in host admission: its limit, or its use if it has no limit,
// times its parts.
func Claim(limit Quantity, use int64, parts int) int64 {
	if n, ok := limit.Amount(); ok {
		use = n
	}
	return use * int64(max(parts, 1))
}
