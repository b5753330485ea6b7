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
)

// Config configures the endpoints. Fields without a stated default are required.
type Config struct {
	// Sessions revokes and introspects our tokens; package session has it.
	Sessions sessions
	// Subjects verifies subject tokens; package subject has it.
	Subjects grant.Verifier
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

// keyRequests keeps requests for logins by auth key.
type keyRequests interface {
	Open(ctx context.Context, a keylogin.Request, now time.Time) (keylogin.Login, error)
	SpendSignature(ctx context.Context, a keylogin.Request, now time.Time) error
	NewCode(ctx context.Context, client *exchange.Client, requestID, address string, now time.Time) (keylogin.Code, error)
	CancelCode(ctx context.Context, c keylogin.Code, now time.Time) error
}

// mailer sends codes that are valid for a time, with the client's name. It returns
// within a bounded time.
type mailer interface {
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
