package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports are taken below the range from which the kernel gives ports to clients, so that no connection takes one away.
const (
	firstPort = 20000
	lastPort  = 32000
)

// Port returns a free TCP port on 127.0.0.1. It stays this test's until the test ends, also while nobody listens on it, as
// far as other tests with this function are concerned: a service can be stopped and started again on it.
func Port(t testing.TB) int {
	t.Helper()
	port, claim, err := ClaimPort()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() { claim.Close() })
	return port
}

// ClaimPort is Port for a program: the port is its own until it closes the claim or ends.
func ClaimPort() (port int, claim net.Listener, err error) {
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		claim, err := Claim(fmt.Sprintf("port-%d", port))
		if err != nil {
			continue
		}
		if probe, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, claim, probe.Close()
		}
		claim.Close()
	}
	return 0, nil, errors.New("no free port found")
}

// Claim takes a name for this process among all tests of this machine, until it is closed or the process ends, however
// that happens. It is an abstract socket: the kernel gives it back by itself, and no file stays behind.
func Claim(name string) (net.Listener, error) {
	return net.Listen("unix", "@engramd-testenv-"+name)
}
