package subject

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"time"

	"cambio/exchange"
	"cambio/jwks/strictjson"
)

// presenter returns the client that presents a first-party proof, nil after a
// refusal. An actor has no presenter: it is proven by a token of its own.
func (r *recorder) presenter(token exchange.SubjectToken) *exchange.Client {
	r.Check(exchange.Check{
		Name: "client", Want: "the client that presents the proof", Got: presence(token.Client != nil),
		Passed: token.Client != nil, Reason: exchange.ReasonClientUnknown,
	})
	r.noIssuerParameters(token)
	if r.Refused() {
		return nil
	}
	return token.Client
}

// firstPartySubject returns the subject of a first-party proof with the claims
// that it makes.
func (r *recorder) firstPartySubject(issuer *exchange.CompiledIssuer, claims map[string]any, token exchange.SubjectToken) *exchange.Subject {
	s := r.mappedSubject(issuer, claims)
	s.Proof = exchange.Proof{TokenType: token.Type, Key: token.Credential}
	return s
}

// decodeProof decodes a first-party proof: strict base64url (RFC 4648 §5) of one
// JSON object. members maps the names of its members to a *string or *bool; an
// absent member and null leave it as it is. The text is not repeated in checks: it
// may be a code.
func (r *recorder) decodeProof(text string, members map[string]any) {
	c := exchange.Check{Name: "form", Want: "base64url of a JSON object", Reason: exchange.ReasonSubjectTokenMalformed}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	var object map[string]any
	if err == nil {
		object, err = parseObject(string(raw), strictjson.Options{AllowNUL: true})
	}
	// The decoder ignores line breaks, so it must encode to the same text.
	if c.Passed = err == nil && base64.RawURLEncoding.EncodeToString(raw) == text; !r.Check(c) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		r.decodeMember(name, object[name], members[name])
	}
}

// decodeMember assigns the value of a member to into, which is nil for an unknown
// member.
func (r *recorder) decodeMember(name string, value, into any) {
	c := exchange.Check{Name: name, Got: "something else", Reason: exchange.ReasonParameterInvalid}
	ok := value == nil
	switch into := into.(type) {
	case *string:
		c.Want, c.Message = "a string", name+" is not a string"
		switch v := value.(type) {
		case string:
			*into, ok = v, true
		case int64: // an ID; JavaScript rounds larger ones
			if ok = name == "externalUserId" && v >= 0 && v < 1<<53; ok {
				*into = strconv.FormatInt(v, 10)
			}
		}
	case *bool:
		c.Want, c.Message = "true or false", name+" is neither true nor false"
		switch value {
		case true, "true":
			*into, ok = true, true
		case false, "false":
			ok = true
		}
	default:
		c.Name, c.Want, c.Got, c.Message, ok = "members", "no others", name, "member "+exchange.Quote(name)+" is not known here", false
	}
	if !ok {
		r.Check(c)
	}
}

// required checks that a member is not empty. The value is not shown: it may be a
// code.
func (r *recorder) required(name, want, value string) bool {
	return r.Check(exchange.Check{
		Name: name, Want: want, Got: presence(value != ""), Passed: value != "",
		Reason: exchange.ReasonParameterMissing, Message: name + " is missing",
	})
}

// challenge records whether the proof of a challenge was accepted.
func (r *recorder) challenge(name, want string, err error) bool {
	c := exchange.Check{Name: name, Want: want, Passed: true}
	if err != nil {
		r.Fail(c, err)
	}
	return r.Check(c)
}

// accessToken verifies an access token: this server's own if its header is,
// otherwise an external issuer's.
func (v *Verifier) accessToken(ctx context.Context, r *recorder, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	if v.cfg.FirstParty.Recognizes(token.Text) {
		return v.ownToken(ctx, r, token, now), nil
	}
	jws := r.parse(token.Text)
	if jws != nil && jws.Issuer() == v.cfg.OwnIssuer {
		r.noIssuerParameters(token)
		r.Check(exchange.Check{Name: "access token", Want: "the header of one of this server's", Got: "another", Reason: exchange.ReasonKeyNotFound})
		return nil, nil
	}
	return v.externalJWT(ctx, r, token, jws, now)
}

func (v *Verifier) ownToken(ctx context.Context, r *recorder, token exchange.SubjectToken, now time.Time) *exchange.Subject {
	if r.noIssuerParameters(token); r.Refused() {
		return nil
	}
	c := exchange.Check{Name: "access token", Want: "a valid one of this server"}
	parent, err := v.cfg.FirstParty.Parse(ctx, token.Text, now)
	if err != nil {
		c.Got = err.Error()
		r.Fail(c, tokenRevoked(err))
		return nil
	}
	c.Got, c.Passed = parent.ID, true
	r.Check(c)
	return &exchange.Subject{
		ID: parent.User, Extra: parent.Extra, Actor: parent.Actor, Parent: parent,
		Proof: exchange.Proof{
			TokenType: token.Type, Expires: parent.Expires, AuthTime: parent.AuthTime,
			ACR: parent.ACR, AMR: parent.AMR, Audience: parent.Audience,
		},
	}
}

// noIssuerParameters refuses parameters that belong to an external issuer's token:
// their sender would assume that they are checked.
func (r *recorder) noIssuerParameters(token exchange.SubjectToken) {
	r.Check(exchange.Check{
		Name: "issuer_id", Want: "none, for a first-party token", Got: token.IssuerID,
		Passed: token.IssuerID == "", Reason: exchange.ReasonIssuerUnknown,
	})
	r.Check(exchange.Check{
		Name: "nonce", Want: "none, for a first-party token", Got: presence(token.Nonce != ""),
		Passed: token.Nonce == "", Reason: exchange.ReasonNonceMismatch,
	})
}

// tokenRevoked returns SESSION_ENDED as another reason: a bad subject token is
// invalid_request (RFC 8693 §2.2.2), and invalid_grant would tell the client that
// its own session has ended.
func tokenRevoked(err error) error {
	if exchange.AsError(err).Reason != exchange.ReasonSessionEnded {
		return err
	}
	return exchange.Refuse(exchange.ReasonSubjectTokenRevoked, err)
}
