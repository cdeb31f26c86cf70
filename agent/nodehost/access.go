package nodehost

import (
	"github.com/engramd/engramd/agent/api"
	nodeapi "github.com/engramd/engramd/node/api"
)

// roleOf is the role of the agent's token files and certificates that a request to the node needs, so that
// one file serves both.
func roleOf(needs nodeapi.Role) api.Role {
	switch needs {
	case nodeapi.Nobody:
		return api.Nobody
	case nodeapi.Read:
		return api.Read
	case nodeapi.Write:
		return api.Write
	}
	return api.Admin
}
