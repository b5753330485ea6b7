package subject

import (
	"context"
	"regexp"
	"time"

	"cambio/exchange"
	"cambio/exchange/keylogin"
)

// linkedElsewhere describes the refusal of an auth key that is linked to another
// user.
const linkedElsewhere = "the key belongs to another user; prove the address of that one too, by a code of another request " +
	"(previousEmailId, previousOtp), or ask the operator"

// otp accepts a mailed code: base64url JSON {emailId, otp, previousEmailId?,
// previousOtp?}. It proves the address, and the auth key of the request becomes
// linked to the same user. A key that is linked to another user stays with that
// one, unless the previous code proves that user's address too.
func (v *Verifier) otp(ctx context.Context, r *recorder, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	client := r.presenter(token)
	if client == nil {
		return nil, nil
	}
	p := r.mailedCode(token)
	if r.Refused() {
		return nil, nil
	}
	issuer := exchange.FirstPartyIssuer(client, token.Type)
	proven, err := v.cfg.Requests.VerifyCode(ctx, client, keylogin.CodeProof{
		ID: p.EmailID, Code: p.Code, PreviousID: p.PreviousEmailID, PreviousCode: p.PreviousCode,
	}, now)
	if !r.challenge("otp", "that of the mail, unspent", err) {
		return nil, issuer
	}
	token.Credential = proven.Signer
	s := r.firstPartySubject(issuer, exchange.FirstPartyClaims(proven.Address, proven.Address, true, ""), token)
	s.Proof.Challenge, s.Proof.AuthTime, s.Proof.AMR = proven.Challenge, now.Unix(), []string{"otp"} // RFC 8176 §2
	s.Identities = []exchange.Identity{{
		Issuer: exchange.Namespace(exchange.TypeOneTimeToken, client.ID), ID: proven.Key,
		Relink: proven.RelinkFrom != "", RelinkFrom: proven.RelinkFrom, LinkedElsewhere: linkedElsewhere,
	}}
	return s, issuer
}

// mailedCode returns the decoded code, after checking all of it that needs no
// store: only then does it count as an attempt.
func (r *recorder) mailedCode(token exchange.SubjectToken) exchange.OTP {
	p, decoded := token.Proof.(exchange.OTP)
	if !decoded {
		r.decodeProof(token.Text, map[string]any{
			"emailId": &p.EmailID, "otp": &p.Code, "previousEmailId": &p.PreviousEmailID, "previousOtp": &p.PreviousCode,
		})
	}
	r.required("emailId", "a string", p.EmailID)
	r.required("otp", "a string", p.Code)
	r.sixDigits("otp", p.Code)
	if p.PreviousEmailID != "" || p.PreviousCode != "" {
		r.sixDigits("previousOtp", p.PreviousCode)
		r.required("previousEmailId", "one, for previousOtp", p.PreviousEmailID)
	}
	return p
}

var sixDigits = regexp.MustCompile(`\A[0-9]{6}\z`)

func (r *recorder) sixDigits(name, code string) {
	r.Check(exchange.Check{
		Name: name, Want: "six digits", Got: presence(code != ""), Passed: sixDigits.MatchString(code),
		Reason: exchange.ReasonParameterInvalid, Message: name + " is not six digits",
	})
}
