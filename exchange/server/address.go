package server

import (
	"net/netip"
	"time"

	"cambio/exchange"
	"cambio/exchange/server/forwarded"
)

// address returns the caller's address.
func (r *Request) address() netip.Addr {
	cfg := &r.server.cfg
	addr, ignored := forwarded.Proxies{Trusted: cfg.TrustedProxies, Header: cfg.ClientAddressHeader}.Address(r.http)
	if ignored != "" {
		r.server.reportUntrusted(addr, ignored, r.Now)
	}
	return addr
}

// reportUntrusted reports to the operator, once an hour, a proxy that is not declared.
// Any caller can write the header: the warning is no more than a hint.
func (s *Server) reportUntrusted(peer netip.Addr, header string, now time.Time) {
	last := s.warned.Load()
	if last != 0 && now.Sub(time.Unix(last, 0)) < time.Hour || !s.warned.CompareAndSwap(last, now.Unix()) {
		return
	}
	s.cfg.Logger.Warn(header+" comes from a peer that is not in trustedProxies, and is ignored; everyone behind it shares one address: set trustedProxies, if it is a known proxy",
		"peer", exchange.Clip(peer.String()))
}
