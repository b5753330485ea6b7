package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/walletlogin"
)

// The wallet door: a backend opens a client session for one address; its page
// asks for a challenge in it, has the wallet sign, and gets tokens.

// clientSessions are those that backends open for wallets.
type clientSessions interface {
	Open(ctx context.Context, client *exchange.Client, o walletlogin.OpenRequest, now time.Time) (walletlogin.Session, error)
	Find(ctx context.Context, id string, now time.Time) (walletlogin.Session, error)
	Start(ctx context.Context, id string, client *exchange.Client, a walletlogin.StartRequest, now time.Time) (walletlogin.Challenge, error)
}

// doorClientSession is POST /v1/clients/session.
func (s *Server) doorClientSession(c *call) error {
	var o walletlogin.OpenRequest
	err := object(c.in,
		member{name: "signingAddress", into: &o.SigningAddress, required: true},
		member{name: "depositAddress", into: &o.DepositAddress},
		member{name: "signingNetwork", into: &o.Network},
		member{name: "signingType", into: &o.Type},
		member{name: "externalUserId", into: &o.ExternalUserID},
	)
	if err != nil {
		return err
	}
	party, err := s.authenticateDoor(c)
	if err != nil {
		return err
	}
	if err := c.onlyProven(); err != nil {
		return err
	}
	if err := s.recall(c); err != nil {
		return err
	}
	o.Credential = c.req.Credential
	opened, err := s.cfg.ClientSessions.Open(c.ctx(), party.Client, o, c.now)
	if err != nil {
		return err
	}
	c.req.Trail.Subject, c.req.Trail.Key = opened.SigningAddress, o.Credential
	c.status = 201
	c.out = appendClientSession(c.out, opened)
	return nil
}

func appendClientSession(b []byte, s walletlogin.Session) []byte {
	b = append(b, '{')
	b = text(b, "id", s.ID)
	b = moment(b, "createTime", s.Created)
	b = moment(b, "updateTime", s.Updated)
	b = moment(b, "expiresAt", s.Expires)
	b = text(b, "signingAddress", s.SigningAddress)
	b = text(b, "depositAddress", s.DepositAddress)
	b = text(b, "signingNetwork", s.Network)
	b = text(b, "signingType", string(s.Type))
	b = text(b, "externalUserId", s.ExternalUserID)
	return append(b, '}')
}

// moment appends a member that is a time (RFC 3339).
func moment(b []byte, name string, t time.Time) []byte {
	return text(b, name, t.UTC().Format(time.RFC3339))
}

// doorWalletStart is POST /v1/auth/cryptoWallet:start.
func (s *Server) doorWalletStart(c *call) error {
	var a walletlogin.StartRequest
	err := object(c.in,
		member{name: "walletAddress", into: &a.Address, required: true},
		member{name: "walletType", into: &a.Type, required: true},
		member{name: "chainId", into: &a.Chain, number: true},
	)
	if err != nil {
		return err
	}
	id, _, err := s.clientSession(c)
	if err != nil {
		return err
	}
	if err := s.recall(c); err != nil {
		return err
	}
	started, err := s.cfg.ClientSessions.Start(c.ctx(), id, c.client, a, c.now)
	if err != nil {
		return err
	}
	c.req.Trail.Subject, c.vouched = started.Account.String(), true
	b := append(c.out, '{')
	b = text(b, "challenge", started.Message)
	b = text(b, "challengeId", started.ID)
	b = moment(b, "expiresAt", started.Expires)
	b = text(b, "format", started.Format)
	c.out = append(b, '}')
	return nil
}

// doorWalletAuthenticate is POST /v1/auth/cryptoWallet:authenticate.
func (s *Server) doorWalletAuthenticate(c *call) error {
	var w exchange.WalletSignature
	err := object(c.in,
		member{name: "walletAddress", into: &w.WalletAddress, required: true},
		member{name: "walletType", into: &w.WalletType, required: true},
		member{name: "challengeId", into: &w.ChallengeID},
		member{name: "signature", into: &w.Signature, required: true},
		member{name: "publicKey", into: &w.PublicKey},
	)
	if err != nil {
		return err
	}
	c.event.Grant = exchange.GrantTokenExchange
	_, session, err := s.clientSession(c)
	if err != nil {
		return err
	}
	if w.ChallengeID == "" {
		w.ChallengeID = session.Challenge
	}
	if !session.HasChallenge(w.ChallengeID) {
		if err := s.recall(c); err != nil { // it may have been answered before
			return err
		}
		return exchange.Refuse(exchange.ReasonChallengeInvalid, errors.New("the client session has no such challenge"))
	}
	c.req.GrantType, c.req.SubjectTokenType = exchange.GrantTokenExchange, exchange.TypeWalletSignature
	c.req.SubjectProof = w
	res, err := s.grant(c)
	if err != nil {
		return err
	}
	c.out = appendWalletResponse(c.out, res, session)
	return nil
}

// appendWalletResponse writes tokens under the names that this door has for them.
func appendWalletResponse(b []byte, res *grant.Response, session walletlogin.Session) []byte {
	b = append(b, '{')
	b = text(b, "sessionJwt", res.AccessToken)
	b = appendTokens(b, res)
	if u := res.User; u != nil {
		b = append(key(b, "user"), '{')
		b = text(b, "id", u.ID)
		b = text(b, "externalUserId", session.ExternalUserID)
		b = text(b, "walletAddress", session.SigningAddress)
		b = boolean(b, "isNew", u.IsNew)
		b = append(b, '}')
	}
	return append(b, '}')
}

// clientSession finds the session of X-Client-Session-Id. Who has its ID was
// given it by the client, for which the call is then made, from a page of the
// client's if from any.
func (s *Server) clientSession(c *call) (id string, session walletlogin.Session, err error) {
	ids := c.r.Header["X-Client-Session-Id"]
	if len(ids) != 1 {
		return "", session, exchange.Refuse(exchange.ReasonClientSessionInvalid, errors.New("there is not one X-Client-Session-Id"))
	}
	if session, err = s.cfg.ClientSessions.Find(c.ctx(), ids[0], c.now); err != nil {
		return "", session, err
	}
	party := c.clients.Client(session.Client)
	if party == nil {
		return "", session, exchange.Refuse(exchange.ReasonClientSessionInvalid, errors.New("its client is gone"))
	}
	for _, name := range c.r.Header["X-Api-Key"] {
		if name != session.Client {
			return "", session, exchange.Refuse(exchange.ReasonClientSessionInvalid, errors.New("X-API-Key names another client"))
		}
	}
	c.event.Client, c.client, c.req.Client = party.Client.ID, party.Client, party
	return ids[0], session, s.mayCallFrom(party.Client, c.origin)
}

// clientPair is the pair of …-Client-Id and …-Client-Secret headers, under
// whatever vendor's name, or none.
func (c *call) clientPair() (credentials, error) {
	found := credentials{method: exchange.AuthNone}
	for name, secrets := range c.r.Header {
		vendor, ok := strings.CutSuffix(name, "Client-Secret")
		if !ok || vendor != "" && !strings.HasSuffix(vendor, "-") {
			continue
		}
		ids := c.r.Header[vendor+"Client-Id"]
		if found.method != exchange.AuthNone || len(secrets) > 1 || len(ids) != 1 {
			return found, malformed("there is not one pair of headers for the client's ID and secret")
		}
		found = credentials{method: exchange.AuthSecretPost, id: ids[0], secret: secrets[0], door: true}
	}
	return found, nil
}
