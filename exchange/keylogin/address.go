package keylogin

import "strings"

// Address returns the canonical form of a mail address, to which codes are sent,
// by which users are known and limits count. It is lower case, also the local
// part: of two mailboxes that differ only in case, only the lower-case one can
// be proven, since the code is sent there.
//
// Address accepts a dot-atom (RFC 5322 §3.2.3) of at most 64 bytes and a host
// name of at least two labels (RFC 5321 §4.1.2), 254 bytes together, in ASCII:
// other names in their ASCII form (RFC 5891 §4.4). Quoted local parts, comments
// and address literals are refused, because two spellings of one mailbox would
// be limited separately.
func Address(text string) (canonical string, ok bool) {
	local, domain, found := strings.Cut(text, "@")
	if !found || len(text) > 254 || len(local) > 64 || !isDotAtom(local) || !isHostName(domain) {
		return "", false
	}
	return strings.ToLower(text), true
}

func isDotAtom(local string) bool {
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) }) {
			return false
		}
	}
	return true
}

func isHostName(domain string) bool {
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !isAlphanumeric(r) && r != '-' }) {
			return false
		}
	}
	top := labels[len(labels)-1] // an IP address ends in digits
	return len(labels) > 1 && strings.ContainsFunc(top, func(r rune) bool { return r > '9' })
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// mailbox returns the address without its tag (RFC 5233 §1): limits count all
// tags of a mailbox together.
func mailbox(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if plain, _, tagged := strings.Cut(local, "+"); tagged && plain != "" {
		local = plain
	}
	return local + "@" + domain
}

// Mask returns a canonical address in a form that is recognizable to its owner
// but does not reveal it.
func Mask(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if len(local) < 3 {
		return "***@" + domain
	}
	return local[:1] + "***@" + domain
}
