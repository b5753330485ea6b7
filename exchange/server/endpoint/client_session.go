package endpoint

import (
	"net/http"

	"cambio/exchange/server"
	"cambio/exchange/walletlogin"
	"cambio/jwks/strictjson"
)

// clientSession opens a client session: a backend opens it for one address, its
// page requests a challenge in it, has the wallet sign, and gets tokens.
func (cfg Config) clientSession() server.Endpoint {
	return server.Endpoint{
		Name: "client_session", Path: "/v1/clients/session", Event: "client_session",
		Caller: server.JSONClient, Confidential: true, Status: http.StatusCreated,
		Steps: server.Steps[walletlogin.OpenRequest, walletlogin.Session]{
			Read: func(body server.Body, in *walletlogin.OpenRequest) error {
				return body.Members(
					server.Member{Name: "signingAddress", Into: &in.SigningAddress, Required: true},
					server.Member{Name: "depositAddress", Into: &in.DepositAddress},
					server.Member{Name: "signingNetwork", Into: &in.Network, Number: true},
					server.Member{Name: "signingType", Into: &in.Type},
					server.Member{Name: "externalUserId", Into: &in.ExternalUserID, Number: true},
				)
			},
			Run: func(r *server.Request, in *walletlogin.OpenRequest) (walletlogin.Session, error) {
				in.Credential = r.Caller.Credential
				opened, err := cfg.ClientSessions.Open(r.Context(), r.Client(), *in, r.Now)
				if err == nil {
					r.Token.Trail.Subject, r.Token.Trail.Key = opened.SigningAddress, in.Credential
				}
				return opened, err
			},
			Write: func(b strictjson.Buffer, s walletlogin.Session) strictjson.Buffer {
				b = appendTime(b.Begin().String("id", s.ID), "createTime", s.Created)
				b = appendTime(b, "updateTime", s.Updated)
				b = appendTime(b, "expiresAt", s.Expires)
				b = b.OmitString("signingAddress", s.SigningAddress).OmitString("depositAddress", s.DepositAddress)
				b = b.OmitString("signingNetwork", s.Network).OmitString("signingType", string(s.Type))
				return b.OmitString("externalUserId", s.ExternalUserID).End()
			},
		},
	}
}
