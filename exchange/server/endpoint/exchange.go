package endpoint

import (
	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/server"
)

// exchange exchanges a token of a login that a browser app without a backend
// already has.
func (Config) exchange() server.Endpoint {
	return server.Endpoint{
		Name: "exchange", Path: "/auth/external/exchange", Event: "token", Caller: server.JSONClient, Browsers: true,
		Steps: server.TokenSteps[struct{}]{
			GrantType: exchange.GrantTokenExchange,
			Read: func(body server.Body, _ *struct{}, t *grant.Request) error {
				tokenType := ""
				if err := readMembers(body, t,
					server.Member{Name: "token", Into: &t.SubjectToken, Required: true},
					server.Member{Name: "tokenType", Into: &tokenType},
					server.Member{Name: "issuerId", Into: &t.IssuerID},
					server.Member{Name: "nonce", Into: &t.Nonce},
				); err != nil {
					return err
				}
				switch tokenType {
				case "", "id_token":
					t.SubjectTokenType = exchange.TypeIDToken
				case "jwt":
					t.SubjectTokenType = exchange.TypeJWT
				default:
					return server.Refused(exchange.ReasonTokenTypeUnsupported, "tokenType must be id_token or jwt")
				}
				return nil
			},
			Write: writeWithSubject,
		},
	}
}
