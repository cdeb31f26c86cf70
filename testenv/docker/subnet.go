package docker

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/engramd/engramd/testenv"
)

// claimSubnet claims 10.N.0.0/16 for as long as the test runs.
func claimSubnet(t testing.TB) netip.Prefix {
	t.Helper()
	subnet, unclaim, err := testenv.ClaimSubnet()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(unclaim)
	return subnet
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
