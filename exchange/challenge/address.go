package challenge

import "strings"

// Address is the canonical form of a mail address: the one that codes are sent
// to, users are known by and limits count. It is lower case, the local part
// too: where two mailboxes differ in case alone, only that in lower case can
// be proven, since the code goes there.
//
// Accepted are a dot-atom (RFC 5322 §3.2.3) of at most 64 bytes and a host name
// of at least two labels (RFC 5321 §4.1.2), 254 bytes in all and ASCII: other
// names in their ASCII form (RFC 5891 §4.4). Quoted parts, comments and address
// literals are not: of two spellings of one mailbox each would have a limit of
// its own.
func Address(text string) (canonical string, ok bool) {
	local, domain, found := strings.Cut(text, "@")
	if !found || len(text) > 254 || len(local) > 64 || !dotAtom(local) || !hostName(domain) {
		return "", false
	}
	return strings.ToLower(text), true
}

func dotAtom(local string) bool {
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) }) {
			return false
		}
	}
	return true
}

func hostName(domain string) bool {
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !alphanumeric(r) && r != '-' }) {
			return false
		}
	}
	top := labels[len(labels)-1]
	return len(labels) > 1 && strings.ContainsFunc(top, func(r rune) bool { return r > '9' }) // else it is an IP address
}

func alphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// mailbox is the address without its tag (RFC 5233 §1): limits count all tags of
// a mailbox as one.
func mailbox(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if plain, _, tagged := strings.Cut(local, "+"); tagged && plain != "" {
		local = plain
	}
	return local + "@" + domain
}

// Mask shows a canonical address to somebody who knows it.
func Mask(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if len(local) < 3 {
		return "***@" + domain
	}
	return local[:1] + "***@" + domain
}
