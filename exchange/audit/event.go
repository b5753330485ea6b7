package audit

import (
	"net/netip"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"cambio/exchange"
)

// Event is one decision: who asked for what, what came of it, and which rule
// and which key led there. It holds no token, secret, code or key; Key is a
// thumbprint or the ID of a shared secret.
type Event struct {
	Time      time.Time
	Name      string // what was asked for, such as token or revoke
	RequestID string
	Grant     string          // grant_type, for tokens
	Reason    exchange.Reason // empty: granted
	Client    string          // Client.ID
	Issuer    string          // Issuer.ID
	Subject   string
	User      string
	Into      string // the user that User was merged into
	Session   string
	Key       string
	Rules     []string // conditions that let it in
	Scopes    []string
	Customer  string // whom a checkout token is about
	Invoice   string // which of the customer's
	Address   netip.Addr
	Checks    []exchange.Check
	Err       string // the operator's text of the refusal
	// Replays is the RequestID of an earlier request, whose answer this one got
	// by its Idempotency-Key. Nothing was done for this one.
	Replays string
}

// Most bytes of a text that are written. Strangers choose most of them.
const (
	mostText  = 128
	mostError = 512
)

// append writes e as one line of JSON. What is empty is left out.
func (e *Event) append(b []byte) []byte {
	b = append(b, `{"time":"`...)
	b = e.Time.UTC().Truncate(time.Microsecond).AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	b = text(b, "event", e.Name)
	b = text(b, "request_id", e.RequestID)
	b = text(b, "outcome", e.outcome())
	b = text(b, "replays", e.Replays)
	b = text(b, "reason", string(e.Reason))
	b = text(b, "grant_type", e.Grant)
	b = text(b, "client", e.Client)
	b = text(b, "issuer", e.Issuer)
	b = text(b, "subject", e.Subject)
	b = text(b, "user", e.User)
	b = text(b, "into", e.Into)
	b = text(b, "session", e.Session)
	b = text(b, "key", e.Key)
	b = list(b, "rules", e.Rules)
	b = list(b, "scopes", e.Scopes)
	b = text(b, "customer", e.Customer)
	b = text(b, "invoice", e.Invoice)
	b = address(b, e.Address)
	b = checks(b, e.Checks, e.Reason)
	if e.Err != "" {
		b = append(b, `,"error":`...)
		b = quote(b, e.Err, mostError)
	}
	return append(b, "}\n"...)
}

func (e *Event) outcome() string {
	if e.Reason == "" {
		return "granted"
	}
	return "refused"
}

func text(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = member(b, name)
	return quote(b, value, mostText)
}

func list(b []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return b
	}
	b = append(member(b, name), '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = quote(b, v, mostText)
	}
	return append(b, ']')
}

func address(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return b
	}
	b = append(member(b, "address"), '"')
	b = a.WithZone("").AppendTo(b) // a zone is free text
	return append(b, '"')
}

// checks writes the check that refused and those that would have, were they
// not audited. What passed is what the rules say.
func checks(b []byte, all []exchange.Check, refused exchange.Reason) []byte {
	audited := 0
	for i := range all {
		c := &all[i]
		switch {
		case c.Passed:
		case c.Audit:
			if audited++; audited == 1 {
				b = append(member(b, "audited"), '[')
			} else {
				b = append(b, ',')
			}
			b = check(b, c)
		}
	}
	if audited > 0 {
		b = append(b, ']')
	}
	if refused == "" {
		return b
	}
	for i := range all {
		if c := &all[i]; !c.Passed && !c.Audit {
			return check(member(b, "failed"), c)
		}
	}
	return b
}

func check(b []byte, c *exchange.Check) []byte {
	b = append(b, `{"check":`...)
	b = quote(b, c.Name, mostText)
	b = text(b, "want", c.Want)
	b = text(b, "got", c.Got)
	return append(b, '}')
}

func member(b []byte, name string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

// quote writes s as a JSON string (RFC 8259 §7) of which no byte can act on a
// terminal: control, format and other unprintable characters are escaped, bytes
// that are not UTF-8 replaced. Of s it writes at most most bytes, then "…", and
// nothing that has the form of a secret.
func quote(b []byte, s string, most int) []byte {
	s = hide(s)
	cut := len(s) > most
	if cut {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		s = s[:most]
	}
	b = append(b, '"')
	done := 0 // of s, already in b
	for i := 0; i < len(s); {
		if plain[s[i]] {
			i++
			continue
		}
		b = append(b, s[done:i]...)
		r, size := utf8.DecodeRuneInString(s[i:])
		b = special(b, r)
		i += size
		done = i
	}
	b = append(b, s[done:]...)
	if cut {
		b = append(b, "…"...)
	}
	return append(b, '"')
}

// plain says of each byte whether it stands for itself.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

func special(b []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r))
	case unicode.IsPrint(r):
		return utf8.AppendRune(b, r)
	case r > 0xffff: // as a surrogate pair (RFC 8259 §7)
		r -= 0x10000
		return escape(escape(b, 0xd800+r>>10), 0xdc00+r&0x3ff)
	}
	return escape(b, r)
}

func escape(b []byte, r rune) []byte {
	b = append(b, '\\', 'u')
	for limit := rune(0x1000); r < limit && limit > 1; limit >>= 4 {
		b = append(b, '0')
	}
	return strconv.AppendUint(b, uint64(r), 16)
}
