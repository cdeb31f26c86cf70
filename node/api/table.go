package api

import "slices"

// table lists the whole API.
func (a *API) table() []route {
	return slices.Concat(memoryRoutes, probeRoutes(a.opts.Metrics))
}
