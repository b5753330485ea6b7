package endpoint

import (
	"cambio/exchange"
	"cambio/exchange/server"
	"cambio/exchange/session"
)

// revoke revokes a token (RFC 7009 §2). An unknown token counts as revoked;
// token_type_hint is ignored, as §2.1 allows, since a token shows what it is.
func (cfg Config) revoke() server.Endpoint {
	return server.Endpoint{
		Name: "revoke", Path: server.RevokePath, Event: "revoke", Caller: server.FormClient, NeverReplayed: true, Browsers: true,
		Steps: server.Steps[string, session.RevokedToken]{
			Read:  readToken,
			Check: checkToken,
			Run:   cfg.revokeToken,
		},
	}
}

// readToken reads the parameter token of a form.
func readToken(body server.Body, token *string) error {
	*token = body.Form.Token
	return nil
}

// checkToken refuses a form without a token, once its client is authenticated.
func checkToken(_ *server.Request, token *string) error {
	if *token == "" {
		return server.Refused(exchange.ReasonParameterMissing, "token is missing")
	}
	return nil
}

// revokeToken revokes a token for the client and records its user and session.
func (cfg Config) revokeToken(r *server.Request, token *string) (session.RevokedToken, error) {
	revoked, err := cfg.Sessions.RevokeToken(r.Context(), *token, r.Client().ID, r.Now)
	r.Token.Trail.User, r.Token.Trail.Session = revoked.User, revoked.Session
	return revoked, err
}
