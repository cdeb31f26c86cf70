// Package deploy holds the files that engramd is deployed with, for the tests that start each of them for
// real. The product does not import it.
package deploy

import "embed"

// Files are the files of this directory, but for Kubernetes'.
//
//go:embed Dockerfile Dockerfile.tools compose.yaml compose-agent.yaml .env.example image systemd
var Files embed.FS
