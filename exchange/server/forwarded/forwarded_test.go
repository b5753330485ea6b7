package forwarded_test

import (
	"net/http"
	"net/netip"
	"testing"

	"cambio/exchange/server/forwarded"
)

func addressOf(p forwarded.Proxies, peer string, header http.Header) string {
	addr, _ := p.Address(&http.Request{RemoteAddr: peer, Header: header})
	return addr.String()
}

func TestAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, row := range []struct {
		name, peer string
		forwarded  []string
		trusted    []netip.Prefix
		want       string
	}{
		{"no proxy is trusted", "192.0.2.1:1", []string{"198.51.100.1"}, nil, "192.0.2.1"},
		{"the peer is not trusted", "192.0.2.1:1", []string{"198.51.100.1"}, trusted, "192.0.2.1"},
		{"a trusted proxy", "10.0.0.1:1", []string{"198.51.100.1"}, trusted, "198.51.100.1"},
		{"a trusted proxy says nothing", "10.0.0.1:1", nil, trusted, "10.0.0.1"},
		{"two trusted proxies", "10.0.0.1:1", []string{"198.51.100.1, 10.0.0.2"}, trusted, "198.51.100.1"},
		{"a forged first hop", "10.0.0.1:1", []string{"203.0.113.9, 198.51.100.1"}, trusted, "198.51.100.1"},
		{"a forged trusted hop", "10.0.0.1:1", []string{"10.9.9.9, 198.51.100.1, 10.0.0.2"}, trusted, "198.51.100.1"},
		{"in two headers", "10.0.0.1:1", []string{"203.0.113.9", "198.51.100.1"}, trusted, "198.51.100.1"},
		{"in two headers, the last one a proxy", "10.0.0.1:1", []string{"198.51.100.1", "10.0.0.2"}, trusted, "198.51.100.1"},
		{"all are trusted", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, trusted, "10.0.0.3"},
		{"a forged header before that of a proxy", "10.0.0.1:1", []string{"x", "198.51.100.1"}, trusted, "198.51.100.1"},
		{"not an address", "10.0.0.1:1", []string{"198.51.100.1, unknown"}, trusted, "10.0.0.1"},
		{"not an address, behind a proxy", "10.0.0.1:1", []string{"unknown, 10.0.0.2"}, trusted, "10.0.0.2"},
		{"empty elements", "10.0.0.1:1", []string{", 198.51.100.1, ,"}, trusted, "198.51.100.1"},
		{"nothing but empty elements", "10.0.0.1:1", []string{"", " , "}, trusted, "10.0.0.1"},
		{"IPv4 in IPv6 with a port", "10.0.0.1:1", []string{"[::ffff:198.51.100.1]:4711"}, trusted, "198.51.100.1"},
		{"IPv6 in brackets", "10.0.0.1:1", []string{"[2001:db8::1]"}, trusted, "2001:db8::1"},
		{"in quotes", "10.0.0.1:1", []string{`"198.51.100.1:80"`}, trusted, "198.51.100.1"},
		{"IPv6 in quotes, after one", "10.0.0.1:1", []string{`203.0.113.9,"[2001:db8::1]:80"`}, trusted, "2001:db8::1"},
		{"a tab for a space", "10.0.0.1:1", []string{"203.0.113.9,\t198.51.100.1\t"}, trusted, "198.51.100.1"},
		{"an open quote of the caller", "10.0.0.1:1", []string{`"203.0.113.9, 198.51.100.1`}, trusted, "198.51.100.1"},
		{"obfuscated", "10.0.0.1:1", []string{"198.51.100.1, _hidden"}, trusted, "10.0.0.1"},
		{"brackets that are not closed", "10.0.0.1:1", []string{"198.51.100.1, [2001:db8::1"}, trusted, "10.0.0.1"},
		{"a socket", "10.0.0.1:1", []string{"198.51.100.1, unix:"}, trusted, "10.0.0.1"},
		{"with a port", "10.0.0.1:1", []string{"198.51.100.1:4711"}, trusted, "198.51.100.1"},
		{"IPv6", "[fd00::1]:1", []string{"2001:db8::1"}, trusted, "2001:db8::1"},
		{"IPv6 with a port", "[fd00::1]:1", []string{"[2001:db8::1]:4711"}, trusted, "2001:db8::1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.1"}, trusted, "198.51.100.1"},
		{"a zone", "10.0.0.1:1", []string{"fe80::1%evil"}, trusted, "fe80::1"},
		{"no address at all", "@", []string{"198.51.100.1"}, trusted, "invalid IP"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := addressOf(forwarded.Proxies{Trusted: row.trusted}, row.peer, http.Header{"X-Forwarded-For": row.forwarded})
			if got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestForwarded(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, row := range []struct {
		name, named string
		header      http.Header
		want        string
	}{
		{"an address", "", http.Header{"Forwarded": {"for=198.51.100.1"}}, "198.51.100.1"},
		{"among other parameters", "", http.Header{"Forwarded": {"proto=https; For=198.51.100.1 ;by=10.0.0.1;host=x"}}, "198.51.100.1"},
		{"IPv6 with a port", "", http.Header{"Forwarded": {`for="[2001:db8::1]:4711"`}}, "2001:db8::1"},
		{"IPv6 without quotes", "", http.Header{"Forwarded": {`for=[2001:db8::1]`}}, "2001:db8::1"},
		{"a port in quotes", "", http.Header{"Forwarded": {`for="198.51.100.1:4711"`}}, "198.51.100.1"},
		{"an obfuscated port", "", http.Header{"Forwarded": {`for="198.51.100.1:_x"`}}, "198.51.100.1"},
		{"escaped", "", http.Header{"Forwarded": {`for="198\.51.100.1"`}}, "198.51.100.1"},
		{"several hops", "", http.Header{"Forwarded": {`for=203.0.113.9, for=198.51.100.1;proto=http, for="[fd00::2]"`}}, "198.51.100.1"},
		{"several lines", "", http.Header{"Forwarded": {`for=203.0.113.9`, `for=198.51.100.1`, `for=10.0.0.2`}}, "198.51.100.1"},
		{"separators in quotes", "", http.Header{"Forwarded": {`for=203.0.113.9, for=198.51.100.1;host="a,b;for=9.9.9.9"`}}, "198.51.100.1"},
		{"unknown", "", http.Header{"Forwarded": {`for=203.0.113.9, for=unknown`}}, "10.0.0.1"},
		{"obfuscated", "", http.Header{"Forwarded": {`for=203.0.113.9, for="_gazonk"`}}, "10.0.0.1"},
		{"without for", "", http.Header{"Forwarded": {`for=203.0.113.9, by=10.0.0.1`}}, "10.0.0.1"},
		{"beside X-Forwarded-For", "", http.Header{"Forwarded": {`for=203.0.113.9`}, "X-Forwarded-For": {"198.51.100.1"}}, "198.51.100.1"},

		{"a header of a CDN", "cf-connecting-ip", http.Header{"Cf-Connecting-Ip": {"198.51.100.1"}, "X-Forwarded-For": {"203.0.113.9"}}, "198.51.100.1"},
		{"IPv6 of a CDN, with a port", "True-Client-IP", http.Header{"True-Client-Ip": {"[2001:db8::1]:4"}}, "2001:db8::1"},
		{"a CDN's that is absent", "CF-Connecting-IP", http.Header{"X-Forwarded-For": {"203.0.113.9"}, "Forwarded": {"for=203.0.113.9"}}, "10.0.0.1"},
		{"Forwarded by name", "Forwarded", http.Header{"Forwarded": {`for=198.51.100.1`}, "X-Forwarded-For": {"203.0.113.9"}}, "198.51.100.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			proxies := forwarded.Proxies{Trusted: trusted, Header: row.named}
			if got := addressOf(proxies, "10.0.0.1:1", row.header); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
			if got := addressOf(proxies, "192.0.2.1:1", row.header); got != "192.0.2.1" {
				t.Errorf("from an untrusted peer: got %s", got)
			}
		})
	}
}
