package docker

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/engramd/engramd/testenv"
)

// claimSubnet picks 10.N.0.0/16 that no interface of the machine and no other test uses, for as long as the test runs.
func claimSubnet(t testing.TB) netip.Prefix {
	t.Helper()
	for _, n := range rand.Perm(192) {
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(64 + n), 0, 0}), 16)
		claim, err := testenv.Claim("subnet-" + subnet.Addr().String())
		if err != nil {
			continue
		}
		if !inUse(t, subnet) {
			t.Cleanup(func() { claim.Close() })
			return subnet
		}
		claim.Close()
	}
	t.Fatal("testenv: no free subnet found in 10.64.0.0 to 10.255.0.0")
	return netip.Prefix{}
}

func inUse(t testing.TB, subnet netip.Prefix) bool {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatalf("testenv: list the machine's addresses: %v", err)
	}
	for _, address := range addresses {
		if taken, err := netip.ParsePrefix(address.String()); err == nil && taken.Overlaps(subnet) {
			return true
		}
	}
	return false
}

// Subnet returns the nth /24 of the daemon's own addresses, 1 to 127, for networks that a test makes itself.
func (d *Daemon) Subnet(n byte) netip.Prefix {
	if n < 1 || n > 127 {
		panic(fmt.Sprintf("subnet %d: want 1 to 127", n))
	}
	return d.slash24(n)
}

// slash24 also numbers what the daemon uses: 0 is its default bridge, from 128 on it numbers networks by itself.
func (d *Daemon) slash24(n byte) netip.Prefix {
	bytes := d.subnet.Addr().As4()
	bytes[2] = n
	return netip.PrefixFrom(netip.AddrFrom4(bytes), 24)
}
