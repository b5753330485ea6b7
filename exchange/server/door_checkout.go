package server

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
)

// The checkout door: a backend turns its own access token into one for its page,
// for one customer and one invoice.

// doorCheckout is POST /v1/checkout-auth/init. It is the exchange of the bearer
// token for a checkout token that the client could ask for at the token
// endpoint.
func (s *Server) doorCheckout(c *call) error {
	r := &c.req
	r.GrantType, r.SubjectTokenType = exchange.GrantTokenExchange, exchange.TypeAccessToken
	c.event.Grant = r.GrantType
	token, err := c.bearerToken()
	if err != nil {
		return err
	}
	if r.Client, err = s.believeBearer(c, token); err != nil {
		return err
	}
	if err := c.readCheckout(); err != nil {
		return err
	}
	r.SubjectToken = token
	res, err := s.grant(c)
	if err != nil {
		return err
	}
	b := append(c.out, '{')
	b = text(b, "token", res.AccessToken)
	b = text(b, "token_type", res.TokenType)
	b = moment(b, "expires_at", c.now.Add(res.ExpiresIn))
	b = number(b, "expires_in", int64(res.ExpiresIn/time.Second))
	c.out = append(b, '}')
	return nil
}

// readCheckout reads what the token is to be for.
func (c *call) readCheckout() error {
	var customer, invoice, lifetime string
	err := object(c.in,
		member{name: "customer_id", into: &customer, required: true},
		member{name: "invoice_id", into: &invoice, required: true},
		member{name: "expires_in", into: &lifetime, number: true},
	)
	if err != nil {
		return err
	}
	for name, id := range map[string]string{"customer_id": customer, "invoice_id": invoice} {
		if !exchange.ValidCheckoutID(id) {
			return refused(exchange.ReasonParameterInvalid, "%s must be 1 to 255 bytes without control characters", name)
		}
	}
	if lifetime != "" {
		const least, most = 60, int(exchange.MaxCheckout / time.Second)
		seconds, err := strconv.Atoi(lifetime)
		if err != nil || seconds < least || seconds > most {
			return refused(exchange.ReasonParameterInvalid, "expires_in must be %d to %d seconds", least, most)
		}
		c.req.MaxLifetime = time.Duration(seconds) * time.Second
	}
	c.req.Details, err = exchange.CheckoutDetails(customer, invoice)
	return err
}

// bearerToken reads a bearer token (RFC 6750 §2.1). It is the only credential.
func (c *call) bearerToken() (string, error) {
	values := c.r.Header["Authorization"]
	secret, err := c.serverSecret()
	if err != nil || len(values) > 1 || secret != "" {
		return "", errTwoCredentials()
	}
	if len(values) == 0 {
		return "", exchange.Refuse(exchange.ReasonAccessTokenInvalid, errors.New("there is no access token"))
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if token = strings.TrimLeft(token, " "); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", exchange.Refuse(exchange.ReasonAccessTokenInvalid, errors.New("the Authorization header has no bearer token"))
	}
	return token, nil
}

// believeBearer finds the client whose own access token the bearer token is, and
// takes it for its proof. That is enough here, though the token endpoint wants
// the client's secret beside it, because there is nothing to gain by it:
//
//   - the token was given to the client alone, for its secret or key, and says
//     by its scope that checkout tokens may be made with it;
//   - what it becomes can do less, is for another audience that the operator
//     named, and lives no longer: whoever stole it could use it as it is;
//   - it is for us (RFC 9068 §4). An API that the client calls gets a token for
//     that API, and cannot turn around and make checkout tokens with it;
//   - what pages have in their hands, users' tokens and checkout tokens, does
//     not count.
func (s *Server) believeBearer(c *call, token string) (*exchange.CompiledClient, error) {
	t, err := s.cfg.Sessions.Parse(c.ctx(), token, c.now)
	if err != nil {
		return nil, bearerInvalid(err)
	}
	c.event.Client = t.Client
	party := c.clients.Client(t.Client)
	switch keys := c.r.Header["X-Api-Key"]; {
	case party == nil:
		return nil, exchange.Refuse(exchange.ReasonAccessTokenInvalid, errors.New("its client is gone"))
	case !party.Client.IssuedToItself(t):
		return nil, exchange.Refuse(exchange.ReasonAccessTokenInsufficient, errors.New("it is not one of the client's own"))
	case !slices.Contains(t.Audience, s.cfg.Issuer):
		e := exchange.Refuse(exchange.ReasonAccessTokenInvalid, errors.New("it is for "+exchange.Quote(strings.Join(t.Audience, " "))))
		e.Description = "the access token is for another API: ask for one with the scope " + exchange.ScopeCheckout + " alone"
		return nil, e
	case !party.Client.MayCheckout(t): // before an earlier answer is given again
		return nil, exchange.Refuse(exchange.ReasonAccessTokenInsufficient, errors.New("it is not of scope "+exchange.ScopeCheckout))
	case t.JKT != "": // RFC 9449 §7.2
		return nil, exchange.Refuse(exchange.ReasonAccessTokenInvalid, errors.New("it is bound to a key and no bearer token"))
	case len(keys) > 0 && !slices.Equal(keys, []string{t.Client}):
		return nil, malformed("X-API-Key is not the access token's client")
	}
	c.client, c.proven = party.Client, true
	return party, nil
}

// bearerInvalid is the refusal of a bearer token (RFC 6750 §3.1). That
// something cannot be known at the moment is no fault of the token's.
func bearerInvalid(err error) error {
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok || e.Reason.Response().Code == exchange.TemporarilyUnavailable {
		return err
	}
	return exchange.Refuse(exchange.ReasonAccessTokenInvalid, err)
}
