package audit

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"cambio/exchange"
	"cambio/jwks/strictjson"
)

// Event is one decision: the request, its outcome, and the rule and key that led
// there. It holds no token, secret, code or private key.
type Event struct {
	Time      time.Time
	Name      string // of the operation, such as token or revoke
	RequestID string
	Grant     string          // grant_type, for tokens
	Reason    exchange.Reason // empty: granted
	Client    string          // Client.ID
	Issuer    string          // Issuer.ID
	Subject   string
	User      string
	Into      string // the user that User was merged into
	Session   string
	Key       string   // a thumbprint, or the ID of a shared secret
	Rules     []string // conditions that granted it
	Scopes    []string
	Customer  string // that a checkout token is for
	Invoice   string // of the customer
	Address   netip.Addr
	Checks    []exchange.Check
	Err       string // the operator's text of the refusal
	// Begin is when what the event ends began, and Count how many requests it stands for.
	Begin time.Time
	Count uint64
	// Suppressed is how many refusals of this kind from this address, before this
	// one, were not written. The log sets it.
	Suppressed uint64
	// Replays is the RequestID of the request whose stored response was returned
	// (Idempotency-Key). Nothing was executed for this one.
	Replays string
}

// Longest texts that are written, in bytes. Unauthenticated callers choose most of
// them.
const (
	maxText  = 128
	maxError = 512
)

// append appends e as one line of JSON. Empty fields are omitted.
func (e *Event) append(line []byte) []byte {
	outcome := "granted"
	if e.Reason != "" {
		outcome = "refused"
	}
	b := strictjson.Buffer(line).Begin().Time("time", e.Time.Truncate(time.Microsecond))
	b = text(b, "event", e.Name)
	b = text(b, "request_id", e.RequestID)
	b = text(b, "outcome", outcome)
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
	b = texts(b, "rules", e.Rules)
	b = texts(b, "scopes", e.Scopes)
	b = text(b, "customer", e.Customer)
	b = text(b, "invoice", e.Invoice)
	if e.Address.IsValid() {
		b = append(key(b, "address"), '"')
		b = e.Address.WithZone("").AppendTo(b) // a zone is any text
		b = append(b, '"')
	}
	if !e.Begin.IsZero() {
		b = b.Time("begin", e.Begin.Truncate(time.Microsecond))
	}
	b = number(b, "count", e.Count)
	b = number(b, "suppressed", e.Suppressed)
	b = checks(b, e.Checks, e.Reason)
	if e.Err != "" {
		b = quote(key(b, "error"), e.Err, maxError)
	}
	return append(b.End(), '\n')
}

// key begins a member that follows another one. Unlike Buffer.Key it looks neither
// for that nor for bytes of the name to escape, since an event has many members.
func key(b strictjson.Buffer, name string) strictjson.Buffer {
	b = append(b, ',', '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

func number(b strictjson.Buffer, name string, n uint64) strictjson.Buffer {
	if n == 0 {
		return b
	}
	return strconv.AppendUint(key(b, name), n, 10)
}

func text(b strictjson.Buffer, name, value string) strictjson.Buffer {
	if value == "" {
		return b
	}
	return quote(key(b, name), value, maxText)
}

func texts(b strictjson.Buffer, name string, values []string) strictjson.Buffer {
	if len(values) == 0 {
		return b
	}
	b = key(b, name).BeginArray()
	for _, v := range values {
		b = quote(b.Next(), v, maxText)
	}
	return b.EndArray()
}

// checks writes the audited checks that did not pass, and the check that refused.
// The rules tell which ones passed.
func checks(b strictjson.Buffer, all []exchange.Check, refused exchange.Reason) strictjson.Buffer {
	var failed *exchange.Check
	audited := false
	for i := range all {
		switch c := &all[i]; {
		case c.Passed:
		case c.Audit:
			if !audited {
				b, audited = key(b, "audited").BeginArray(), true
			}
			b = check(b.Next(), c)
		case failed == nil:
			failed = c
		}
	}
	if audited {
		b = b.EndArray()
	}
	if refused == "" || failed == nil {
		return b
	}
	return check(key(b, "failed"), failed)
}

func check(b strictjson.Buffer, c *exchange.Check) strictjson.Buffer {
	b = quote(b.Begin().Key("check"), c.Name, maxText)
	b = text(b, "want", c.Want)
	return text(b, "got", c.Got).End()
}

// quote writes s as a JSON string (RFC 8259 §7) that cannot control a terminal:
// unprintable characters are escaped, and bytes that are not UTF-8 replaced. It
// writes at most limit bytes of s, then "…", and nothing that looks like a secret.
func quote(b strictjson.Buffer, s string, limit int) strictjson.Buffer {
	s = hide(s)
	cut := len(s) > limit
	if cut {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	b = append(b, '"')
	done := 0 // bytes of s that are in b
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

// plain reports of each byte whether it stands for itself.
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
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return fmt.Appendf(b, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(b, `\u%04x`, r)
}

// forms matches, whole or cut off: JWTs (RFC 7519) and other proofs in base64url of
// JSON, client secrets, one-time tokens, refresh tokens, and other IDs that authorize
// by themselves: the ID of a record, a dot, and a random part.
var forms = regexp.MustCompile(`eyJ[\w-]{8,}(?:\.[\w-]*)*` +
	`|\b(?:ssk|ott)_[\w-]{8,}` +
	`|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(?:[0-9]+\.[\w-]+|[\w-]{8,})`)

const hidden = "(hidden)"

// hide replaces the parts of a text that look like a token or a secret. No event
// should hold one, but callers confuse parameters: a secret is sent as client_id, a
// refresh token as grant_type.
func hide(s string) string {
	const shortest, id = 8, 36 // the length of a record's ID
	if len(s) < shortest {
		return s
	}
	may := strings.Contains(s, "eyJ") || strings.Contains(s, "ssk_") || strings.Contains(s, "ott_") ||
		len(s) > id && strings.Contains(s, ".") && strings.Count(s, "-") >= 4
	if !may {
		return s
	}
	return forms.ReplaceAllLiteralString(s, hidden)
}
