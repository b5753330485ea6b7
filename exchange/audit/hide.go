package audit

import (
	"regexp"
	"strings"
)

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
