package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
)

// ClaimSubnet picks 10.N.0.0/16 that no interface of the machine and no other test uses, until unclaim is called or the
// process ends.
func ClaimSubnet() (subnet netip.Prefix, unclaim func(), err error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Prefix{}, nil, fmt.Errorf("list the machine's addresses: %w", err)
	}
	for _, n := range rand.Perm(192) {
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(64 + n), 0, 0}), 16)
		claim, err := Claim("subnet-" + subnet.Addr().String())
		if err != nil {
			continue
		}
		if !overlaps(addresses, subnet) {
			return subnet, func() { claim.Close() }, nil
		}
		claim.Close()
	}
	return netip.Prefix{}, nil, errors.New("no free subnet found in 10.64.0.0 to 10.255.0.0")
}

func overlaps(addresses []net.Addr, subnet netip.Prefix) bool {
	for _, address := range addresses {
		if taken, err := netip.ParsePrefix(address.String()); err == nil && taken.Overlaps(subnet) {
			return true
		}
	}
	return false
}
