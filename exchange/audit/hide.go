package audit

import (
	"regexp"
	"strings"
)

// forms are those of JWTs (RFC 7519) and other proofs in base64url of JSON, of our
// secrets and one-time tokens, of our refresh tokens, and of other IDs of ours
// that are as good as secrets: a record's, a dot, and what nobody can guess. They
// are cut off or whole.
var forms = regexp.MustCompile(`eyJ[\w-]{8,}(?:\.[\w-]*)*` +
	`|\b(?:ssk|ott)_[\w-]{8,}` +
	`|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(?:[0-9]+\.[\w-]+|[\w-]{8,})`)

const hidden = "(hidden)"

// hide takes out of a text what has the form of a token or a secret. No event
// is meant to hold one, but callers mistake one parameter for another: a secret
// sent as client_id, a refresh token sent as grant_type.
func hide(s string) string {
	const least, id = 8, 36 // the length of a record's ID
	if len(s) < least {
		return s
	}
	may := strings.Contains(s, "eyJ") || strings.Contains(s, "ssk_") || strings.Contains(s, "ott_") ||
		len(s) > id && strings.Contains(s, ".") && strings.Count(s, "-") >= 4
	if !may {
		return s
	}
	return forms.ReplaceAllLiteralString(s, hidden)
}
