package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// address returns the caller's address: the peer's, or the one that trusted
// proxies report. Of X-Forwarded-For the rightmost address counts that is not a
// trusted proxy's: any caller can write what is to the left of it.
func address(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	if len(trusted) == 0 {
		return addr
	}
	hops := r.Header["X-Forwarded-For"]
	for i := len(hops) - 1; i >= 0; i-- {
		list := hops[i]
		for list != "" && covers(trusted, addr) {
			comma := strings.LastIndexByte(list, ',')
			next, ok := hop(list[comma+1:])
			if !ok {
				return addr
			}
			addr, list = next, list[:max(comma, 0)]
		}
	}
	return addr
}

// hop parses an element of X-Forwarded-For: an address, with or without a port.
func hop(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Unmap().WithZone(""), true
	}
	withPort, err := netip.ParseAddrPort(s)
	return withPort.Addr().Unmap().WithZone(""), err == nil
}

func covers(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}
