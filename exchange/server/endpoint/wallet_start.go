package endpoint

import (
	"cambio/exchange/server"
	"cambio/exchange/walletlogin"
	"cambio/jwks/strictjson"
)

// walletStart starts the challenge of a client session.
func (cfg Config) walletStart() server.Endpoint {
	return server.Endpoint{
		Name: "wallet_start", Path: "/v1/auth/cryptoWallet:start", Event: "wallet_challenge", Caller: server.ClientSession, Browsers: true,
		Steps: server.Steps[walletlogin.StartRequest, walletlogin.Challenge]{
			Read: func(body server.Body, in *walletlogin.StartRequest) error {
				return body.Members(
					server.Member{Name: "walletAddress", Into: &in.Address, Required: true},
					server.Member{Name: "walletType", Into: &in.Type, Required: true},
					server.Member{Name: "chainId", Into: &in.Chain, Number: true},
				)
			},
			Run: func(r *server.Request, in *walletlogin.StartRequest) (walletlogin.Challenge, error) {
				in.Origin = r.Origin()
				started, err := cfg.ClientSessions.Start(r.Context(), r.Caller.ClientSession.ID, r.Client(), *in, r.Now)
				if err == nil {
					r.Token.Trail.Subject = started.Account.String()
				}
				return started, err
			},
			Write: func(b strictjson.Buffer, c walletlogin.Challenge) strictjson.Buffer {
				b = b.Begin().String("challenge", c.Message).String("challengeId", c.ID)
				return appendTime(b, "expiresAt", c.Expires).String("format", c.Format).End()
			},
		},
	}
}
