package subject

import (
	"context"
	"time"

	"cambio/exchange"
	"cambio/exchange/keylogin"
)

// moreProofNeeded is what the client is told of an auth key that belongs to
// another user.
const moreProofNeeded = "the key belongs to another user; prove the address of that one too, by a code of another request " +
	"(previousEmailId, previousOtp), or ask the operator"

// otp takes a code that was mailed: base64url JSON {emailId, otp,
// previousEmailId?, previousOtp?}. It proves the address, and the auth key of
// the request is linked to the same user. A key that belongs to another user
// stays there, unless the previous code proves that one's address too.
func (v *Verifier) otp(ctx context.Context, l *list, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	client := l.broughtBy(token)
	if client == nil {
		return nil, nil
	}
	p, decoded := token.Proof.(exchange.OTP)
	if !decoded {
		m := l.object(token.Text, "emailId", "otp", "previousEmailId", "previousOtp")
		p = exchange.OTP{
			EmailID: l.text(m, "emailId"), Code: l.text(m, "otp"),
			PreviousEmailID: l.text(m, "previousEmailId"), PreviousCode: l.text(m, "previousOtp"),
		}
	}
	l.needed("emailId", p.EmailID)
	l.needed("otp", p.Code)
	reply := keylogin.CodeProof{ID: p.EmailID, Code: p.Code, PreviousID: p.PreviousEmailID, PreviousCode: p.PreviousCode}
	l.code("otp", reply.Code)
	if reply.PreviousID != "" || reply.PreviousCode != "" {
		l.code("previousOtp", reply.PreviousCode)
		l.check(exchange.Check{
			Name: "previousEmailId", Want: "one, for previousOtp", Got: presence(reply.PreviousID != ""),
			Passed: reply.PreviousID != "", Reason: exchange.ReasonParameterMissing, Message: "previousEmailId is missing",
		})
	}
	if l.refused() {
		return nil, nil
	}
	trust := exchange.FirstPartyIssuer(client, token.Type)
	proven, err := v.cfg.Requests.VerifyCode(ctx, client, reply, now)
	if !l.challenge("otp", "that of the mail, unspent", err) {
		return nil, trust
	}
	token.Credential = proven.Signer
	s := l.own(trust, exchange.FirstPartyClaims(proven.Address, proven.Address, true, ""), token)
	s.Proof.Challenge, s.Proof.AuthTime, s.Proof.AMR = proven.Challenge, now.Unix(), []string{"otp"} // RFC 8176 §2
	s.Identities = []exchange.Identity{{
		Issuer: exchange.Namespace(exchange.TypeOneTimeToken, client.ID), ID: proven.Key,
		Relink: proven.RelinkFrom != "", RelinkFrom: proven.RelinkFrom, LinkedElsewhere: moreProofNeeded,
	}}
	return s, trust
}

// code wants six digits, before a try is counted.
func (l *list) code(name, code string) {
	const digits = 6
	good := len(code) == digits
	for i := 0; good && i < digits; i++ {
		good = '0' <= code[i] && code[i] <= '9'
	}
	l.check(exchange.Check{
		Name: name, Want: "six digits", Got: presence(code != ""), Passed: good,
		Reason: exchange.ReasonParameterInvalid, Message: name + " is not six digits",
	})
}
