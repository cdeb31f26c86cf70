package threads

// What the tests of the memory policy need: this machine may have one node only, which no policy is for.
var (
	RestartWith   = restartWith
	CurrentPolicy = currentPolicy
	SetPolicy     = setPolicy
)
