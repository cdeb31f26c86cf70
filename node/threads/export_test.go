package threads

// What the tests of the memory policy need: this machine may have one node only, which no policy is for.
var (
	RestartWith   = restartWith
	CurrentPolicy = currentPolicy
	SetPolicy     = setPolicy
)

// Workers is how many workers settings mean on a machine.
func (s Settings) Workers(all CPUs, procs int) (spreading, consolidation int, err error) {
	l, err := s.layout(all, procs)
	return l.spreaders, l.consolidators, err
}
