package endpoint

import (
	"slices"
	"testing"

	"cambio/exchange/server"
)

// Every endpoint replays the response to a repeated request, except for those named
// here.
func TestResponsesAreReplayed(t *testing.T) {
	var never []string
	for _, e := range All(Config{}) {
		if e.NeverReplayed {
			never = append(never, e.Path)
		}
	}
	if want := []string{server.RevokePath, server.IntrospectPath, "/auth/external/verify"}; !slices.Equal(never, want) {
		t.Errorf("%q never replay a response, want %q", never, want)
	}
}

// Pages cannot call where a secret belongs, and an endpoint is not open to callers
// that the others of its kind refuse.
func TestAccessOfEndpoints(t *testing.T) {
	browsers := []string{
		server.TokenPath, server.RevokePath, "/auth/external/exchange", "/auth/refresh", "/auth/logout",
		"/v1/auth/cryptoWallet:start", "/v1/auth/cryptoWallet:authenticate", "/auth/otp/email:send", "/auth/otp/email:authenticate",
	}
	confidential := []string{server.IntrospectPath, "/auth/external/verify", "/v1/clients/session"}
	names := map[string]bool{}
	for _, e := range All(Config{}) {
		if e.Browsers != slices.Contains(browsers, e.Path) {
			t.Errorf("%s: Browsers is %v", e.Path, e.Browsers)
		}
		if e.Confidential != slices.Contains(confidential, e.Path) {
			t.Errorf("%s: Confidential is %v", e.Path, e.Confidential)
		}
		if e.PageRefresh != (e.Path == "/auth/refresh" || e.Path == "/auth/logout") {
			t.Errorf("%s: PageRefresh is %v", e.Path, e.PageRefresh)
		}
		if e.ByAudience != (e.Path == server.TokenPath) || e.Event == "" || e.Steps == nil || names[e.Name] {
			t.Errorf("%s is declared as %+v", e.Path, e)
		}
		names[e.Name] = true
	}
}
