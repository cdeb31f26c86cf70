// Package deploy starts what engramd is deployed with, for real: the images and compose.yaml on a Docker Engine, the unit
// under systemd. It holds tests, and what they share: [BuildImages], and a reader of compose files ([ReadCompose]).
//
// The tests of the unit run inside the host of testenv/host (make e2e-host), the others on this machine (make e2e-docker).
package deploy
