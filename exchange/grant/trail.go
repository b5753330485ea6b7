package grant

import (
	"context"
	"time"

	"cambio/exchange"
)

// Trail describes a decision and the checks that led to it.
type Trail struct {
	Client  string // Client.ID
	Issuer  string // Issuer.ID
	Subject string
	User    string
	Session string
	Key     string   // the issuer's key
	Rules   []string // the operator's rules that held
	// Purchase is the purchase of a checkout token, nil in any other request.
	Purchase *exchange.Purchase
	Scopes   []string
	exchange.Recorder
}

// require records checks up to the first that refuses, and returns its refusal.
func (t *Trail) require(checks ...exchange.Check) error {
	if !t.CheckAll(checks) {
		return t.Err
	}
	return nil
}

// RecordDecision records a decision and returns its refusal.
func (t *Trail) RecordDecision(d exchange.Decision) error {
	t.Checks, t.Err = append(t.Checks, d.Checks...), d.Err
	t.Rules = d.Rules
	if d.Err != nil {
		return d.Err
	}
	return nil
}

// Verify verifies a subject token and records its checks, issuer, subject and key.
func (t *Trail) Verify(ctx context.Context, v Verifier, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer, error) {
	subject, issuer, err := v.Verify(ctx, token, &t.Recorder, now)
	if issuer != nil {
		t.Issuer = issuer.Issuer.ID
	}
	if err != nil {
		return nil, nil, err
	}
	t.Subject, t.Key = subject.ID, subject.Proof.Key
	if subject.Parent != nil {
		t.User, t.Session = subject.Parent.User, subject.Parent.Session
	}
	return subject, issuer, nil
}

// session records the session of a request, without the checks of an attempt
// that conflicted.
func (t *Trail) session(s *exchange.Session) {
	t.Issuer, t.Subject, t.User, t.Session, t.Key = s.Issuer, s.Subject, s.User, s.ID, s.Key
	t.Recorder = exchange.Recorder{Checks: t.Checks[:0]}
}
