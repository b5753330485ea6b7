// Package endpoint declares the endpoints of the public HTTP API, one file for
// each: the RFCs' own, which read forms, and the JSON endpoints, which speak the
// habits of other systems and translate to the same requests. What they share
// happens in the pipeline of package server.
package endpoint

import (
	"context"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/keylogin"
	"cambio/exchange/server"
	"cambio/exchange/session"
	"cambio/exchange/walletlogin"
	"cambio/jwks/strictjson"
)

// Config configures the endpoints. Fields without a stated default are required.
type Config struct {
	// Sessions revokes and introspects our tokens; package session has it.
	Sessions sessions
	// VerifyToken decides about a subject token without an exchange; package grant
	// has it.
	VerifyToken func(ctx context.Context, req *grant.Request, now time.Time) (*exchange.Subject, error)
	// ClientSessions opens client sessions of wallets; package walletlogin has it.
	ClientSessions clientSessions
	// Requests keeps requests for logins by auth key; package keylogin has it.
	Requests keyRequests
	// Mail sends codes; package mail has it. Default: none, so that codes are
	// refused as exchange.ReasonMailUnavailable.
	Mail mailer
}

type sessions interface {
	Introspect(ctx context.Context, token string, now time.Time) (session.Introspection, error)
	RevokeToken(ctx context.Context, token, clientID string, now time.Time) (session.RevokedToken, error)
}

type clientSessions interface {
	Open(ctx context.Context, client *exchange.Client, o walletlogin.OpenRequest, now time.Time) (walletlogin.Session, error)
	Start(ctx context.Context, id string, client *exchange.Client, a walletlogin.StartRequest, now time.Time) (walletlogin.Challenge, error)
}

type keyRequests interface {
	Open(ctx context.Context, a keylogin.Request, now time.Time) (keylogin.Login, error)
	SpendSignature(ctx context.Context, a keylogin.Request, now time.Time) error
	NewCode(ctx context.Context, client *exchange.Client, requestID, address string, now time.Time) (keylogin.Code, error)
	CancelCode(ctx context.Context, c keylogin.Code, now time.Time) error
}

// mailer sends codes that are valid for a time, with the client's name. It returns
// within a bounded time. Begin takes a place among the callers that wait for it, or
// refuses at once; end is called after SendCode.
type mailer interface {
	Begin(ctx context.Context) (end func(), err error)
	SendCode(ctx context.Context, to, client, code string, lifetime time.Duration) error
}

// All returns the endpoints.
func All(cfg Config) []server.Endpoint {
	if cfg.Mail == nil {
		cfg.Mail = noMail{}
	}
	return []server.Endpoint{
		cfg.token(), cfg.revoke(), cfg.introspect(),
		cfg.session(), cfg.exchange(), cfg.refresh(), cfg.logout(), cfg.verify(),
		cfg.checkout(),
		cfg.clientSession(), cfg.walletStart(), cfg.wallet(),
		cfg.keyRequest(), cfg.mailCode(), cfg.otp(),
	}
}

// readMembers reads a body that is one object with these members and a scope.
func readMembers(body server.Body, t *grant.Request, members ...server.Member) error {
	scope := ""
	err := body.Members(append(members, server.Member{Name: "scope", Into: &scope, List: true})...)
	if err == nil {
		t.Scopes, err = server.Scopes(scope)
	}
	return err
}

// appendTokens writes the members of tokens at the JSON endpoints.
func appendTokens(b strictjson.Buffer, res *grant.Response) strictjson.Buffer {
	b = b.OmitToken("accessToken", res.AccessToken)
	b = b.OmitToken("refreshToken", res.RefreshToken)
	b = b.OmitToken("idToken", res.IDToken)
	b = b.Int("expiresIn", int64(res.ExpiresIn/time.Second))
	b = b.OmitString("tokenType", res.TokenType)
	return b.OmitString("sessionId", res.Session)
}

// appendResponse writes tokens with their user, whose ID at the source of the proof
// is externalID.
func appendResponse(b strictjson.Buffer, res *grant.Response, externalID string) strictjson.Buffer {
	b = appendTokens(b.Begin(), res)
	if u := res.User; u != nil {
		b = b.Key("user").Begin()
		b = b.OmitString("id", u.ID).OmitString("externalUserId", externalID).OmitString("email", u.Email)
		b = b.Bool("isNew", u.IsNew).End()
	}
	return b.End()
}

// writeWithSubject writes tokens for a user whose external ID is the subject.
func writeWithSubject(b strictjson.Buffer, r *server.Request, _ *struct{}, res *grant.Response) strictjson.Buffer {
	return appendResponse(b, res, r.Token.Trail.Subject)
}

// appendTime writes a time to the second.
func appendTime(b strictjson.Buffer, name string, t time.Time) strictjson.Buffer {
	return b.Time(name, t.Truncate(time.Second))
}
