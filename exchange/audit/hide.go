package audit

import (
	"regexp"
	"strings"
)

// forms are those of JWTs (RFC 7519), of our secrets and of our refresh tokens,
// cut off or whole.
var forms = regexp.MustCompile(`eyJ[\w-]{8,}(?:\.[\w-]*)*` +
	`|\bssk_[\w-]{8,}` +
	`|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9]+\.[\w-]+`)

const hidden = "(hidden)"

// hide takes out of a text what has the form of a token or a secret. No event
// is meant to hold one, but callers mistake one parameter for another: a secret
// sent as client_id, a refresh token sent as grant_type.
func hide(s string) string {
	const least = 8
	if len(s) < least || !strings.Contains(s, "eyJ") && !strings.Contains(s, "ssk_") && strings.Count(s, ".") < 2 {
		return s
	}
	return forms.ReplaceAllLiteralString(s, hidden)
}
