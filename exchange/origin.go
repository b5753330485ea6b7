package exchange

import (
	"slices"
	"strings"
)

// anyLabel begins a registered origin whose first label may be any:
// https://*.preview.example.com. One that has no other form of wildcard.
const anyLabel = "https://*."

// nullOrigin is that of sandboxed pages, files and redirects: of any page that wants it.
const nullOrigin = "null"

// WildcardOrigin returns the host below which a registered origin covers every label,
// or reports that it is exact.
func WildcardOrigin(registered string) (host string, ok bool) {
	host, ok = strings.CutPrefix(registered, anyLabel)
	return host, ok && strings.Contains(host, ".")
}

// covers reports whether a registered origin is that of a page, or its wildcard is.
func covers(registered, origin string) bool {
	below, wildcard := WildcardOrigin(registered)
	if !wildcard {
		return registered == origin && !strings.Contains(origin, "*")
	}
	rest, https := strings.CutPrefix(origin, "https://")
	label, host, _ := strings.Cut(rest, ".")
	return https && host == below && label != "" && !strings.ContainsFunc(label, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-')
	})
}

// OriginAmong reports whether registered origins, which are sorted, have one that covers
// the origin of a page.
func OriginAmong(registered []string, origin string) bool {
	if origin == nullOrigin {
		return false
	}
	if i, found := slices.BinarySearch(registered, origin); found {
		return covers(registered[i], origin)
	}
	i, _ := slices.BinarySearch(registered, anyLabel)
	for ; i < len(registered) && strings.HasPrefix(registered[i], anyLabel); i++ {
		if covers(registered[i], origin) {
			return true
		}
	}
	return false
}

// AllowsOrigin reports whether a browser page at an origin may call as this
// client. An empty origin means that the caller is not a browser: the check
// protects a browser's user from other sites and cannot stop a program.
func (c *Client) AllowsOrigin(origin string) bool {
	return origin == "" || origin != nullOrigin && slices.ContainsFunc(c.Origins, func(o string) bool { return covers(o, origin) })
}
