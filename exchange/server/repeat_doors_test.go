package server

import (
	"maps"
	"slices"
	"testing"
)

// What each door does about an Idempotency-Key: it calls recall, itself or by
// asking for tokens, or answers anew. A door that is not in the list was not
// thought about.
func TestEveryDoorIsAboutKeys(t *testing.T) {
	const recalls, anew = "gives its answer again", "changes nothing and answers as of now"
	known := map[string]string{
		"/auth/external/session":             recalls,
		"/auth/external/exchange":            recalls,
		"/auth/external/verify":              anew,
		"/auth/refresh":                      recalls,
		"/auth/logout":                       recalls,
		"/auth/key/requests":                 recalls,
		"/auth/otp/email:send":               recalls,
		"/auth/otp/email:authenticate":       recalls,
		"/v1/checkout-auth/init":             recalls,
		"/v1/clients/session":                recalls,
		"/v1/auth/cryptoWallet:start":        recalls,
		"/v1/auth/cryptoWallet:authenticate": recalls,
	}
	var doors []string
	for path, e := range (&Server{}).list() {
		if e.door {
			doors = append(doors, path)
		}
	}
	slices.Sort(doors)
	if want := slices.Sorted(maps.Keys(known)); !slices.Equal(doors, want) {
		t.Errorf("the doors are %q, known are %q", doors, want)
	}
}
