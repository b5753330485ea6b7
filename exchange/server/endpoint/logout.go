package endpoint

import (
	"cambio/exchange/server"
	"cambio/exchange/session"
	"cambio/jwks/strictjson"
)

// logout revokes the session of a refresh token.
func (cfg Config) logout() server.Endpoint {
	return server.Endpoint{
		Name: "logout", Path: "/auth/logout", Event: "revoke", Caller: server.JSONClient, PageRefresh: true, Browsers: true,
		Steps: server.Steps[string, session.RevokedToken]{
			Read: func(body server.Body, token *string) error {
				return body.Members(server.Member{Name: "refreshToken", Into: token, Required: true})
			},
			Run:   cfg.revokeToken,
			Write: func(b strictjson.Buffer, _ session.RevokedToken) strictjson.Buffer { return b.Begin().End() },
			// An unknown token is revoked, too, and proves nothing.
			Proves: func(revoked session.RevokedToken) bool { return revoked.Session != "" },
		},
	}
}
