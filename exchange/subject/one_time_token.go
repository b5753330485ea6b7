package subject

import (
	"context"
	"time"

	"cambio/exchange"
	"cambio/exchange/keylogin"
)

// Requests checks the proofs of logins by auth key, and names the challenge that
// each spends. Errors are of type *exchange.Error or the store's own.
type Requests interface {
	VerifyToken(ctx context.Context, client *exchange.Client, id, token, verifier string, now time.Time) (keylogin.Verified, error)
	VerifyCode(ctx context.Context, client *exchange.Client, r keylogin.CodeProof, now time.Time) (keylogin.Verified, error)
}

// oneTimeToken accepts the token that a request for a login by auth key returned,
// together with the ID of the request and, if the request had a code_challenge,
// the code_verifier (RFC 7636 §4.5). The subject is the user that the key is
// linked to; it never creates one.
func (v *Verifier) oneTimeToken(ctx context.Context, r *recorder, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	client := r.presenter(token)
	if client == nil || !r.required("request_id", "that of the request", token.RequestID) {
		return nil, nil
	}
	issuer := exchange.FirstPartyIssuer(client, token.Type)
	proven, err := v.cfg.Requests.VerifyToken(ctx, client, token.RequestID, token.Text, token.CodeVerifier, now)
	if !r.challenge("one_time_token", "that of the request, unspent", err) {
		return nil, issuer
	}
	token.Credential = proven.Signer
	s := r.firstPartySubject(issuer, exchange.FirstPartyClaims(proven.Key, "", false, ""), token)
	s.MustExist, s.Proof.Challenge = true, proven.Challenge
	return s, issuer
}
