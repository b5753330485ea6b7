package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
)

// mayProxy refuses URLs whose address the proxy would reach without a name.
func (o Options) mayProxy(u *url.URL, plain bool) error {
	if o.Proxy == nil {
		return nil
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil // a name, which the proxy resolves
	}
	return o.mayDial(netip.AddrPortFrom(addr, 0).String(), plain)
}

// mayDialProxy refuses a proxy at an address that is never reached: the operator
// wrote its URL, so it may be private.
func mayDialProxy(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errors.New("not an IP address and port")
	}
	if addr := meant(ap.Addr()); never(addr) {
		return fmt.Errorf("address %s is never reached", addr)
	}
	return nil
}

// mayDial refuses addresses that are not on the public Internet, unless private
// ones are allowed or they are listed. Only private ones may be reached by plain
// http.
func (o Options) mayDial(address string, plain bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errors.New("not an IP address and port")
	}
	addr := meant(ap.Addr())
	listed := within(addr, o.Allow) && !never(addr)
	switch {
	case !isPublic(addr) && !(o.Private && isPrivate(addr)) && !listed:
		return fmt.Errorf("address %s is not public", addr)
	case plain && !within(addr, privateNetworks):
		return fmt.Errorf("address %s must be reached by https", addr)
	}
	return nil
}

// nat64 is the prefix of IPv4 addresses that a translator reaches for hosts
// without IPv4 (RFC 6052 §2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// meant returns the address at which a connection ends: that of the IPv4 host
// where a translator makes the connection.
func meant(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if nat64.Contains(addr) {
		b := addr.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return addr
}

// privateNetworks may be allowed: loopback, RFC 1918, RFC 4193.
var privateNetworks = prefixes("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")

// sharedNetworks may be allowed too, but for https only: carriers share them
// (RFC 6598).
var sharedNetworks = prefixes("100.64.0.0/10")

// reservedNetworks are reached only where they are listed (RFC 6890 and the registries it begins):
// among them link-local addresses, at which clouds keep their metadata, and
// addresses that contain another IPv4 address.
var reservedNetworks = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

// neverNetworks are reached by no permission: "this network", link-local addresses,
// multicast, broadcast, and IPv6 addresses that contain another IPv4 address.
var neverNetworks = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
	"::/128", "fe80::/10", "fec0::/10", "ff00::/8", "2002::/16", "2001::/32",
)

// never reports whether an address is reached by no permission.
func never(a netip.Addr) bool {
	return within(a, neverNetworks) || within(a, metadataNetworks)
}

// metadataNetworks are where clouds keep their metadata among private and public
// addresses: EC2, Alibaba, Azure.
var metadataNetworks = prefixes("fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32")

// globalUnicast is all of IPv6 that is assigned (RFC 4291 §2.4). Other NAT64
// prefixes, IPv4-compatible and link-local addresses are outside.
var globalUnicast = netip.MustParsePrefix("2000::/3")

func isPrivate(a netip.Addr) bool {
	return (within(a, privateNetworks) || within(a, sharedNetworks)) && !within(a, metadataNetworks)
}

func isPublic(a netip.Addr) bool {
	return (a.Is4() || globalUnicast.Contains(a)) && !within(a, privateNetworks) && !within(a, sharedNetworks) &&
		!within(a, reservedNetworks) && !within(a, metadataNetworks)
}

func within(a netip.Addr, networks []netip.Prefix) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}
