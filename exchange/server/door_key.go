package server

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"cambio/exchange"
	"cambio/exchange/keylogin"
	"cambio/exchange/subject"
)

// The login by auth key: a partner keeps a key for each of its users. It opens a
// request, which it signs; a key that is linked to a user gets a one-time token
// for the token endpoint, and any other is linked by proving a mail address
// here.

// mailRetry is when it makes sense to ask for a code again that could not be
// sent: codes to one address are that far apart at least.
const mailRetry = 30 * time.Second

// doorKeyRequest is POST /auth/key/requests. The answer is worth a login, and a
// signature is for one use: who repeats the request with its Idempotency-Key
// signs it anew, and whoever has merely seen it gets nothing.
func (s *Server) doorKeyRequest(c *call) error {
	party, ask, err := s.signed(c)
	if err != nil {
		return err
	}
	requestTime := ""
	if err := object(c.in, append([]member{
		{name: "partnerUserId", into: &ask.Key, required: true},
		{name: "passwordless", flag: &ask.Passwordless},
		{name: "email", into: &ask.Email},
		{name: "codeChallenge", into: &ask.CodeChallenge},
		{name: "requestTime", into: &requestTime},
	}, forOthers("locale", "flow", "quoteId", "paymentMethod", "payoutMethod", "partnerTransactionId",
		"cryptoWalletAddress", "cryptoWalletAddressForRefund", "applicantSumsubToken", "trustedKyc", "trustedKycInfo", "userIp")...)...); err != nil {
		return err
	}
	if err := checkAsk(&ask); err != nil {
		return err
	}
	if err := subject.RequestTime(party.Client.AuthKeys, requestTime, c.now); err != nil {
		return err
	}
	if c.repeat.key != "" {
		if err := s.cfg.Requests.SpendSignature(c.ctx(), ask, c.now); err != nil {
			return err
		}
		ask.SignatureSpent = true
	}
	if err := s.recall(c); err != nil {
		return err
	}
	opened, err := s.cfg.Requests.Open(c.ctx(), ask, c.now)
	if err != nil {
		return err
	}
	c.req.Trail.Subject = opened.Subject
	c.status = http.StatusCreated
	c.out = appendOpened(c.out, opened)
	return nil
}

// forOthers are members that the public samples of such requests have and that
// mean nothing to a login: they are ignored, whatever they are.
func forOthers(names ...string) []member {
	members := make([]member, len(names))
	for i, name := range names {
		members[i] = member{name: name, ignored: true}
	}
	return members
}

// signed authenticates the client of a request by the signature over its body,
// before anything in the body is read.
func (s *Server) signed(c *call) (*exchange.CompiledClient, keylogin.Request, error) {
	var ask keylogin.Request
	cred, err := c.doorCredentials()
	if err != nil {
		return nil, ask, err
	}
	if cred.method != exchange.AuthNone {
		return nil, ask, errTwoCredentials()
	}
	if cred.id == "" {
		return nil, ask, exchange.Refuse(exchange.ReasonClientUnknown, errors.New("there is no X-API-Key"))
	}
	signatures := c.r.Header["X-Request-Signature"]
	if len(signatures) != 1 {
		return nil, ask, exchange.Refuse(exchange.ReasonRequestSignatureInvalid, fmt.Errorf("want one X-Request-Signature, got %d", len(signatures)))
	}
	party := c.clients.Client(cred.id)
	if party != nil || mayBeID(cred.id) {
		c.event.Client = cred.id
	}
	if ask.Signer, ask.Signature, err = subject.RequestSignature(party, c.in, signatures[0]); err != nil {
		return nil, ask, err
	}
	c.client, c.proven, ask.Client = party.Client, true, party.Client
	c.req.Trail.Key, c.req.Trail.Issuer = ask.Signer, exchange.Namespace(exchange.TypeOneTimeToken, party.Client.ID)
	return party, ask, nil
}

func checkAsk(ask *keylogin.Request) error {
	const mostKey, s256 = 255, 43
	if len(ask.Key) > mostKey || strings.ContainsFunc(ask.Key, unicode.IsControl) {
		return refused(exchange.ReasonParameterInvalid, "partnerUserId is not 1 to %d bytes without control characters", mostKey)
	}
	if ask.CodeChallenge != "" {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(ask.CodeChallenge); err != nil || len(ask.CodeChallenge) != s256 {
			return refused(exchange.ReasonParameterInvalid, "codeChallenge is not one of method S256 (RFC 7636 4.2)")
		}
	}
	return canonical("email", &ask.Email)
}

// canonical makes an address that may be absent canonical.
func canonical(name string, address *string) error {
	if *address == "" {
		return nil
	}
	var ok bool
	if *address, ok = keylogin.Address(*address); !ok {
		return refused(exchange.ReasonParameterInvalid, "%s is not an address that codes are sent to", name)
	}
	return nil
}

func appendOpened(b []byte, o keylogin.Login) []byte {
	next := "otp"
	if o.Token != "" {
		next = "one_time_token"
	}
	b = append(b, '{')
	b = text(b, "requestId", o.ID)
	b = instant(b, "expiresAt", o.Expires)
	b = text(b, "next", next)
	b = text(b, "oneTimeToken", o.Token)
	return append(b, '}')
}

// doorMailSend is POST /auth/otp/email:send. It asks nothing about whose address
// it is, and so answers and works alike for all.
func (s *Server) doorMailSend(c *call) error {
	id, address := "", ""
	if err := object(c.in,
		member{name: "requestId", into: &id, required: true},
		member{name: "emailAddress", into: &address},
	); err != nil {
		return err
	}
	if err := canonical("emailAddress", &address); err != nil {
		return err
	}
	party, err := s.authenticateDoor(c)
	if err != nil {
		return err
	}
	if err := s.recall(c); err != nil {
		return err
	}
	code, err := s.cfg.Requests.NewCode(c.ctx(), party.Client, id, address, c.now)
	if err != nil {
		return err
	}
	c.req.Trail.Issuer, c.req.Trail.Subject = exchange.Namespace(exchange.TypeOTP, party.Client.ID), code.Address
	if err := s.mail(c, party.Client, code); err != nil {
		return err
	}
	c.vouched = true
	b := append(c.out, '{')
	b = text(b, "emailId", code.ID)
	b = text(b, "emailMask", keylogin.Mask(code.Address))
	b = instant(b, "expiresAt", code.Expires)
	b = instant(b, "resendAfter", code.ResendAfter)
	c.out = append(b, '}')
	return nil
}

// mail sends a code, also if the caller leaves meanwhile. One that did not leave
// counts for nobody.
func (s *Server) mail(c *call, client *exchange.Client, code keylogin.Code) error {
	ctx := context.WithoutCancel(c.ctx())
	sent := s.cfg.Mail.SendCode(ctx, code.Address, cmp.Or(client.Name, client.ID), code.Code, code.Expires.Sub(c.now))
	if sent == nil {
		return nil
	}
	if err := s.cfg.Requests.CancelCode(ctx, code, c.now); err != nil {
		sent = errors.Join(sent, err)
	}
	return &exchange.Error{Reason: exchange.ReasonMailUnavailable, RetryAfter: mailRetry, Err: sent}
}

// keyRequests keeps requests for logins by auth key.
type keyRequests interface {
	Open(ctx context.Context, a keylogin.Request, now time.Time) (keylogin.Login, error)
	SpendSignature(ctx context.Context, a keylogin.Request, now time.Time) error
	NewCode(ctx context.Context, client *exchange.Client, requestID, address string, now time.Time) (keylogin.Code, error)
	CancelCode(ctx context.Context, c keylogin.Code, now time.Time) error
}

// mailer sends codes that count for a time, with the client's name. It returns
// within a bounded time.
type mailer interface {
	SendCode(ctx context.Context, to, client, code string, lives time.Duration) error
}

// noMail is a server without mail.
type noMail struct{}

func (noMail) SendCode(context.Context, string, string, string, time.Duration) error {
	return errors.New("no SMTP server is configured; set mail.host and mail.from")
}

// doorMailAuthenticate is POST /auth/otp/email:authenticate.
func (s *Server) doorMailAuthenticate(c *call) error {
	var proof exchange.OTP
	scope := ""
	err := object(c.in,
		member{name: "emailId", into: &proof.EmailID, required: true},
		member{name: "otp", into: &proof.Code, required: true},
		member{name: "previousEmailId", into: &proof.PreviousEmailID},
		member{name: "previousOtp", into: &proof.PreviousCode},
		member{name: "scope", into: &scope},
	)
	if err != nil {
		return err
	}
	r := &c.req
	r.GrantType, r.SubjectTokenType = exchange.GrantTokenExchange, exchange.TypeOTP
	r.SubjectProof = proof
	if r.Scopes, err = scopes(scope); err != nil {
		return err
	}
	res, err := s.doorTokens(c)
	if err != nil {
		return err
	}
	c.out = appendDoorResponse(c.out, res, "")
	return nil
}
