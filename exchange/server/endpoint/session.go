package endpoint

import (
	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/server"
	"cambio/jwks/strictjson"
)

// session exchanges the assertion of a backend about its own user; the backend
// hands the tokens to its page.
func (Config) session() server.Endpoint {
	return server.Endpoint{
		Name: "session", Path: "/auth/external/session", Event: "token", Caller: server.JSONClient,
		Steps: server.TokenSteps[exchange.UserAssertion]{
			GrantType: exchange.GrantTokenExchange, SubjectTokenType: exchange.TypeUserAssertion,
			Read: func(body server.Body, user *exchange.UserAssertion, t *grant.Request) error {
				err := readMembers(body, t,
					server.Member{Name: "externalUserId", Into: &user.ExternalUserID, Number: true, Required: true},
					server.Member{Name: "email", Into: &user.Email},
					server.Member{Name: "emailVerified", Flag: &user.EmailVerified},
					server.Member{Name: "name", Into: &user.Name},
				)
				t.SubjectProof = *user
				return err
			},
			Write: func(b strictjson.Buffer, _ *server.Request, user *exchange.UserAssertion, res *grant.Response) strictjson.Buffer {
				return appendResponse(b, res, user.ExternalUserID)
			},
		},
	}
}
