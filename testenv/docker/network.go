package docker

import (
	"net/netip"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// Network makes a user-defined bridge network in the daemon's nth subnet (1 to 127), in which containers may have fixed
// addresses and aliases, and returns the subnet.
func (d *Daemon) Network(t testing.TB, name string, n byte) netip.Prefix {
	t.Helper()
	subnet := d.Subnet(n)
	_, err := d.client.NetworkCreate(t.Context(), name, client.NetworkCreateOptions{
		Driver: "bridge",
		IPAM:   &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}},
	})
	if err != nil {
		t.Fatalf("testenv: create network %s: %v", name, err)
	}
	return subnet
}
