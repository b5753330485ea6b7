package endpoint

import (
	"strconv"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/server"
	"cambio/jwks/strictjson"
)

// checkout exchanges a backend's own access token, which comes as a bearer token,
// for one for its page, for one invoice of one customer.
func (Config) checkout() server.Endpoint {
	return server.Endpoint{
		Name: "checkout", Path: "/v1/checkout-auth/init", Event: "token", Caller: server.BearerToken,
		Steps: server.TokenSteps[struct{}]{
			GrantType: exchange.GrantTokenExchange, SubjectTokenType: exchange.TypeAccessToken,
			Read: readCheckout,
			Check: func(r *server.Request, _ *struct{}) error {
				r.Token.SubjectToken = r.Caller.AccessToken
				return nil
			},
			Write: func(b strictjson.Buffer, r *server.Request, _ *struct{}, res *grant.Response) strictjson.Buffer {
				b = b.Begin().OmitToken("token", res.AccessToken).OmitString("token_type", res.TokenType)
				b = appendTime(b, "expires_at", r.Now.Add(res.ExpiresIn))
				return b.Int("expires_in", int64(res.ExpiresIn/time.Second)).End()
			},
		},
	}
}

// readCheckout reads the purchase that the token is for.
func readCheckout(body server.Body, _ *struct{}, t *grant.Request) error {
	var customer, invoice, lifetime string
	err := body.Members(
		server.Member{Name: "customer_id", Into: &customer, Number: true, Required: true},
		server.Member{Name: "invoice_id", Into: &invoice, Number: true, Required: true},
		server.Member{Name: "expires_in", Into: &lifetime, Number: true},
	)
	if err != nil {
		return err
	}
	for _, id := range []struct{ name, value string }{{"customer_id", customer}, {"invoice_id", invoice}} {
		if !exchange.ValidCheckoutID(id.value) {
			return server.Refused(exchange.ReasonParameterInvalid, "%s must be 1 to 255 bytes without control characters", id.name)
		}
	}
	if lifetime != "" {
		const least, most = 60, int(exchange.MaxCheckout / time.Second)
		seconds, err := strconv.Atoi(lifetime)
		if err != nil || seconds < least || seconds > most {
			return server.Refused(exchange.ReasonParameterInvalid, "expires_in must be %d to %d seconds", least, most)
		}
		t.MaxLifetime = time.Duration(seconds) * time.Second
	}
	t.Details, err = exchange.CheckoutDetails(customer, invoice)
	return err
}
