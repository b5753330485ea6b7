package endpoint

import (
	"errors"

	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/server"
	"cambio/jwks/strictjson"
)

// wallet exchanges a wallet's signature over the challenge of a client session for
// tokens.
func (Config) wallet() server.Endpoint {
	return server.Endpoint{
		Name: "wallet", Path: "/v1/auth/cryptoWallet:authenticate", Event: "token", Caller: server.ClientSession, Browsers: true,
		Steps: server.TokenSteps[exchange.WalletSignature]{
			GrantType: exchange.GrantTokenExchange, SubjectTokenType: exchange.TypeWalletSignature,
			Read: func(body server.Body, in *exchange.WalletSignature, _ *grant.Request) error {
				return body.Members(
					server.Member{Name: "walletAddress", Into: &in.WalletAddress, Required: true},
					server.Member{Name: "walletType", Into: &in.WalletType, Required: true},
					server.Member{Name: "challengeId", Into: &in.ChallengeID},
					server.Member{Name: "signature", Into: &in.Signature, Required: true},
					server.Member{Name: "publicKey", Into: &in.PublicKey},
				)
			},
			AfterLookup: checkChallenge,
			Write:       appendWalletResponse,
		},
	}
}

// checkChallenge demands that the challenge be the current one of the client
// session, and proves the account by it. A stored response is replayed before, since
// the challenge that it came from is spent.
func checkChallenge(r *server.Request, in *exchange.WalletSignature) error {
	session := r.Caller.ClientSession
	if in.ChallengeID == "" {
		in.ChallengeID = session.Challenge
	}
	if !session.HasChallenge(in.ChallengeID) {
		return exchange.Refuse(exchange.ReasonChallengeInvalid, errors.New("the client session has no such challenge"))
	}
	r.Token.SubjectProof = *in
	return nil
}

// appendWalletResponse writes tokens under the names that this endpoint has for them.
func appendWalletResponse(b strictjson.Buffer, r *server.Request, _ *exchange.WalletSignature, res *grant.Response) strictjson.Buffer {
	b = appendTokens(b.Begin().OmitToken("sessionJwt", res.AccessToken), res)
	if u := res.User; u != nil {
		session := r.Caller.ClientSession
		b = b.Key("user").Begin().OmitString("id", u.ID).OmitString("externalUserId", session.ExternalUserID)
		b = b.OmitString("walletAddress", session.SigningAddress).Bool("isNew", u.IsNew).End()
	}
	return b.End()
}
