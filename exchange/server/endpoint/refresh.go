package endpoint

import (
	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/server"
)

// refresh rotates a refresh token.
func (Config) refresh() server.Endpoint {
	return server.Endpoint{
		Name: "refresh", Path: "/auth/refresh", Event: "token", Caller: server.JSONClient, PageRefresh: true, Browsers: true,
		Steps: server.TokenSteps[struct{}]{
			GrantType: exchange.GrantRefreshToken,
			Read: func(body server.Body, _ *struct{}, t *grant.Request) error {
				return body.Members(server.Member{Name: "refreshToken", Into: &t.RefreshToken, Required: true})
			},
			Write: writeWithSubject,
		},
	}
}
