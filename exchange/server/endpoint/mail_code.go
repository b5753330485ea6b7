package endpoint

import (
	"cmp"
	"context"
	"errors"
	"time"

	"cambio/exchange"
	"cambio/exchange/keylogin"
	"cambio/exchange/server"
	"cambio/jwks/strictjson"
)

// mailRetry is when a code that could not be sent may be requested again: codes to
// one address are at least that far apart.
const mailRetry = 30 * time.Second

// mailBusy is when a caller may try again for which there was no place to wait.
const mailBusy = 5 * time.Second

// mailCodeRequest holds the members of a request for a code.
type mailCodeRequest struct{ requestID, address string }

// mailCode sends a code for a login by auth key. It looks nothing up about the
// address, so that the response is the same for all.
func (cfg Config) mailCode() server.Endpoint {
	return server.Endpoint{
		Name: "mail", Path: "/auth/otp/email:send", Event: "mail_code", Caller: server.JSONClient, Browsers: true,
		Steps: server.Steps[mailCodeRequest, keylogin.Code]{
			Read: func(body server.Body, in *mailCodeRequest) error {
				if err := body.Members(
					server.Member{Name: "requestId", Into: &in.requestID, Required: true},
					server.Member{Name: "emailAddress", Into: &in.address},
				); err != nil {
					return err
				}
				return canonicalize("emailAddress", &in.address)
			},
			Run: cfg.runMailCode,
			Write: func(b strictjson.Buffer, code keylogin.Code) strictjson.Buffer {
				b = b.Begin().String("emailId", code.ID).String("emailMask", keylogin.Mask(code.Address))
				b = appendTime(b, "expiresAt", code.Expires)
				return appendTime(b, "resendAfter", code.ResendAfter).End()
			},
		},
	}
}

func (cfg Config) runMailCode(r *server.Request, in *mailCodeRequest) (keylogin.Code, error) {
	client := r.Client()
	end, err := cfg.Mail.Begin(r.Context())
	if err != nil {
		return keylogin.Code{}, &exchange.Error{Reason: exchange.ReasonMailUnavailable, RetryAfter: mailBusy, Err: err}
	}
	defer end()
	code, err := cfg.Requests.NewCode(r.Context(), client, in.requestID, in.address, r.Now)
	if err != nil {
		return code, err
	}
	r.Token.Trail.Issuer, r.Token.Trail.Subject = exchange.Namespace(exchange.TypeOTP, client.ID), code.Address
	return code, cfg.send(r, client, code)
}

// send mails a code, even if the caller leaves meanwhile. A code that could not be
// sent does not count.
func (cfg Config) send(r *server.Request, client *exchange.Client, code keylogin.Code) error {
	ctx := context.WithoutCancel(r.Context())
	failure := cfg.Mail.SendCode(ctx, code.Address, cmp.Or(client.Name, client.ID), code.Code, code.Expires.Sub(r.Now))
	if failure == nil {
		return nil
	}
	if err := cfg.Requests.CancelCode(ctx, code, r.Now); err != nil {
		failure = errors.Join(failure, err)
	}
	return &exchange.Error{Reason: exchange.ReasonMailUnavailable, RetryAfter: mailRetry, Err: failure}
}

// noMail stands for a server without mail.
type noMail struct{}

func (noMail) Begin(context.Context) (end func(), err error) { return func() {}, nil }

func (noMail) SendCode(context.Context, string, string, string, time.Duration) error {
	return errors.New("no SMTP server is configured; set mail.host and mail.from")
}
