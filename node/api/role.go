package api

import "net/http"

// A Role says what a caller has to be allowed for a request; each includes those before it. Who is who is decided in front of
// the API, see [API.Needs].
type Role int

// The roles.
const (
	// Nobody may ask for health and for the OpenAPI document.
	Nobody Role = iota
	// Read may see everything.
	Read
	// Write may remember, change, link and delete.
	Write
	// Admin may do what concerns the whole node: spaces, storage, maintenance, snapshots, threads.
	Admin
)

var roleNames = []string{"nobody", "read", "write", "admin"}

// String returns the role's name.
func (r Role) String() string { return roleNames[r] }

// Needs returns the role that a request needs; Admin for what there is not.
func (a *API) Needs(r *http.Request) Role {
	_, pattern := a.mux.Handler(r)
	for i := range a.routes {
		if one := &a.routes[i]; one.path == pattern && one.takes(r.Method) {
			return one.needs
		}
	}
	return Admin
}

// takes tells whether the route answers a method.
func (r *route) takes(method string) bool {
	return r.method == method || r.method == http.MethodGet && method == http.MethodHead
}
