package api

import "slices"

// table lists the whole API.
func (a *API) table() []route {
	return slices.Concat(
		memoryRoutes, listRoutes, importRoutes, linkRoutes, spreadRoutes, recallRoutes, spaceRoutes,
		maintenanceRoutes, storageRoutes, workRoutes, settingRoutes, snapshotRoutes, probeRoutes(a.opts.Metrics),
	)
}
