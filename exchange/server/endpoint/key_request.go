package endpoint

import (
	"encoding/base64"
	"net/http"

	"cambio/exchange"
	"cambio/exchange/keylogin"
	"cambio/exchange/server"
	"cambio/exchange/subject"
	"cambio/jwks/strictjson"
)

// keyRequest holds the members of a request for a login by auth key.
type keyRequest struct {
	keylogin.Request
	requestTime string
}

// keyRequest opens a login by auth key: a partner keeps a key for each of its
// users, and signs a request that names one. A key that is linked to a user gets a
// one-time token for the token endpoint; any other is linked by proving a mail
// address, at mailCode and otp.
//
// The response is worth a login, and a signature is for one use: a client that
// repeats the request with its Idempotency-Key signs it anew, so that a copy of it
// is worth nothing.
func (cfg Config) keyRequest() server.Endpoint {
	return server.Endpoint{
		Name: "key", Path: "/auth/key/requests", Event: "key_request", Caller: server.RequestSignature, Status: http.StatusCreated,
		Steps: server.Steps[keyRequest, keylogin.Login]{
			Read:  readKeyRequest,
			Check: cfg.checkKeyRequest,
			Run: func(r *server.Request, in *keyRequest) (keylogin.Login, error) {
				opened, err := cfg.Requests.Open(r.Context(), in.Request, r.Now)
				if err == nil {
					r.Token.Trail.Subject = opened.Subject
				}
				return opened, err
			},
			Write: func(b strictjson.Buffer, opened keylogin.Login) strictjson.Buffer {
				next := "otp"
				if opened.Token != "" {
					next = "one_time_token"
				}
				b = appendTime(b.Begin().String("requestId", opened.ID), "expiresAt", opened.Expires)
				return b.String("next", next).OmitString("oneTimeToken", opened.Token).End()
			},
		},
	}
}

func readKeyRequest(body server.Body, in *keyRequest) error {
	members := []server.Member{
		{Name: "partnerUserId", Into: &in.Key, Number: true, Required: true},
		{Name: "passwordless", Flag: &in.Passwordless},
		{Name: "email", Into: &in.Email},
		{Name: "codeChallenge", Into: &in.CodeChallenge},
		{Name: "requestTime", Into: &in.requestTime},
	}
	// The public samples of such requests have members that mean nothing to a login.
	for _, name := range []string{
		"locale", "flow", "quoteId", "paymentMethod", "payoutMethod", "partnerTransactionId",
		"cryptoWalletAddress", "cryptoWalletAddressForRefund", "applicantSumsubToken", "trustedKyc", "trustedKycInfo", "userIp",
	} {
		members = append(members, server.Member{Name: name, Ignored: true})
	}
	if err := body.Members(members...); err != nil {
		return err
	}
	const mostKey, s256 = 255, 43
	if !exchange.Printable(in.Key, mostKey) {
		return server.Refused(exchange.ReasonParameterInvalid, "partnerUserId is not 1 to %d bytes without control characters", mostKey)
	}
	if in.CodeChallenge != "" {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(in.CodeChallenge); err != nil || len(in.CodeChallenge) != s256 {
			return server.Refused(exchange.ReasonParameterInvalid, "codeChallenge is not one of method S256 (RFC 7636 4.2)")
		}
	}
	return canonicalize("email", &in.Email)
}

// checkKeyRequest checks the request's time, and spends the signature of a request
// that a stored response may answer.
func (cfg Config) checkKeyRequest(r *server.Request, in *keyRequest) error {
	in.Client, in.Signer, in.Signature = r.Client(), r.Caller.Signature.Key, r.Caller.Signature.Bytes
	if err := subject.RequestTime(in.Client.AuthKeys, in.requestTime, r.Now); err != nil || !r.HasKey() {
		return err
	}
	err := cfg.Requests.SpendSignature(r.Context(), in.Request, r.Now)
	in.SignatureSpent = err == nil
	return err
}

// canonicalize makes a mail address canonical, if there is one.
func canonicalize(name string, address *string) error {
	if *address == "" {
		return nil
	}
	var ok bool
	if *address, ok = keylogin.Address(*address); !ok {
		return server.Refused(exchange.ReasonParameterInvalid, "%s is not an address that codes are sent to", name)
	}
	return nil
}
