// Package forwarded finds the address of a caller behind proxies: in X-Forwarded-For,
// in Forwarded (RFC 7239) or in the header of a CDN, in the spellings that proxies
// write, and only where a trusted proxy is the peer.
package forwarded

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Headers in which proxies report the address that they call for.
const (
	listHeader     = "X-Forwarded-For"
	standardHeader = "Forwarded" // RFC 7239
)

// Proxies are the proxies whose reports are accepted.
type Proxies struct {
	// Trusted are their networks. A host in one of them can claim any address.
	Trusted []netip.Prefix
	// Header is the only header to read, such as CF-Connecting-IP. Default:
	// X-Forwarded-For, or Forwarded where a request has none. That order is because
	// most proxies write X-Forwarded-For, and let through a Forwarded that the caller
	// wrote.
	Header string
}

// Address returns the caller's address: the peer's, or the one that trusted
// proxies report. Of the reported ones the rightmost counts that is not a trusted
// proxy's: any caller can write what is to the left of it. A hop that a proxy does not
// know or hides ends the search, with the address of that proxy. Of an untrusted peer
// it returns the name of a header that was ignored, if there is one.
func (p Proxies) Address(r *http.Request) (addr netip.Addr, ignored string) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, ""
	}
	addr = peer.Addr().Unmap()
	name := p.header(r.Header)
	if name == "" {
		return addr, ""
	}
	if !p.trusts(addr) {
		return addr, name
	}
	return p.nearest(addr, name, r.Header[name]), ""
}

// header returns the name of the header that reports the caller's address, or "" if
// the request has none.
func (p Proxies) header(h http.Header) string {
	if p.Header != "" {
		if name := http.CanonicalHeaderKey(p.Header); len(h[name]) > 0 {
			return name
		}
		return ""
	}
	for _, name := range []string{listHeader, standardHeader} {
		if len(h[name]) > 0 {
			return name
		}
	}
	return ""
}

// nearest returns the address that trusted proxies, of which addr is the last, report
// in the lines of a header.
func (p Proxies) nearest(addr netip.Addr, name string, lines []string) netip.Addr {
	for i := len(lines) - 1; i >= 0; i-- {
		list := lines[i]
		for list != "" && p.trusts(addr) {
			var element string
			list, element = cutLast(list, ',')
			if strings.Trim(element, " \t") == "" { // RFC 9110 §5.6.1
				continue
			}
			if name == standardHeader {
				element = parameterFor(element)
			}
			next, known := node(element)
			if !known {
				return addr
			}
			addr = next
		}
	}
	return addr
}

func (p Proxies) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(p.Trusted, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// cutLast cuts a list before its last element, around a separator that is not in a
// quoted string. It reads from the end, so that a quotation mark that a caller left
// open does not hide what proxies have added after it.
func cutLast(list string, separator byte) (before, last string) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch c := list[i]; {
		case c == '"' && !escaped(list[:i]):
			quoted = !quoted
		case c == separator && !quoted:
			return list[:i], list[i+1:]
		}
	}
	return "", list
}

// escaped reports whether what follows s is escaped by a backslash at its end.
func escaped(s string) bool { return (len(s)-len(strings.TrimRight(s, "\\")))%2 == 1 }

// parameterFor returns the value of for= in an element of Forwarded (RFC 7239 §4), ""
// if there is none.
func parameterFor(element string) string {
	for element != "" {
		var pair string
		element, pair = cutLast(element, ';')
		name, value, _ := strings.Cut(pair, "=")
		if strings.EqualFold(strings.TrimSpace(name), "for") {
			return value
		}
	}
	return ""
}

// node parses a node (RFC 7239 §6): an address, in brackets or not, with or without
// a port, quoted or not. It reports whether there is an address: unknown and
// obfuscated nodes have none.
func node(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		s = strings.TrimSpace(strings.ReplaceAll(s[1:len(s)-1], "\\", "")) // no address has a backslash
	}
	if inner, found := strings.CutPrefix(s, "["); found {
		var port string
		s, port, found = strings.Cut(inner, "]")
		if !found || port != "" && port[0] != ':' {
			return netip.Addr{}, false
		}
	} else if host, _, found := strings.Cut(s, ":"); found && strings.Count(s, ":") == 1 {
		s = host
	}
	addr, err := netip.ParseAddr(s)
	return addr.Unmap().WithZone(""), err == nil
}
