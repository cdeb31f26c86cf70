package kubernetes

// shared is what the driver keeps beside its clients, and could lose. The zero value is ready.
type shared struct {
	locks    locks
	kubelets kubelets
	local    local
	notices  notices
}
