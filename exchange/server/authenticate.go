package server

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cambio/exchange"
	"cambio/exchange/subject"
)

// Authentication is how the client of a request is found.
type Authentication int

// The ways to find a client.
const (
	// FormClient finds it by the parameters of a form or by Basic (RFC 6749
	// §2.3, RFC 7523 §2.2).
	FormClient Authentication = iota
	// JSONClient finds it by the headers of a JSON endpoint.
	JSONClient
	// BearerToken finds it by an access token of its own, which authenticates it.
	BearerToken
	// RequestSignature finds it by X-API-Key; its signature over the body
	// authenticates it.
	RequestSignature
	// ClientSession finds it by a client session, whose ID it has given to its page.
	ClientSession
)

// media returns the media type of request bodies.
func (a Authentication) media() string {
	if a == FormClient {
		return formType
	}
	return jsonType
}

// precedesParameters reports whether the client is authenticated before the
// parameters are read.
func (a Authentication) precedesParameters() bool { return a == BearerToken || a == RequestSignature }

// authenticate finds the client and authenticates it, as the endpoint demands.
func (r *Request) authenticate() (err error) {
	e := r.endpoint
	r.event.Grant = r.Token.GrantType
	switch e.Caller {
	case FormClient:
		err = r.authenticateForm()
	case JSONClient:
		err = r.authenticateJSON()
	case BearerToken:
		err = r.authenticateBearer()
	case RequestSignature:
		err = r.authenticateSignature()
	case ClientSession:
		err = r.authenticateClientSession()
	}
	if err != nil {
		return err
	}
	if e.Confidential && !r.Caller.Authenticated {
		return Refused(exchange.ReasonClientNotAllowed, "only a client that authenticates may ask this")
	}
	r.Token.Client, r.Token.Credential = r.Caller.Client, r.Caller.Credential
	return nil
}

func (r *Request) authenticateForm() error {
	if r.endpoint.ByAudience && r.namesNoClient() {
		r.Token.Origin = r.origin
		return nil
	}
	cred, err := r.formCredentials()
	if err != nil {
		return err
	}
	if cred.id == "" && cred.method == exchange.AuthPrivateKeyJWT {
		cred.id = cred.assertion.Client()
	}
	if cred.id == "" {
		return Refused(exchange.ReasonParameterMissing, "client_id is missing")
	}
	return r.authenticateClient(cred)
}

// namesNoClient reports whether the request is a token exchange that names no
// client at all.
func (r *Request) namesNoClient() bool {
	f := &r.form
	return f.clientID == "" && f.clientSecret == "" && f.assertion == "" && f.assertionType == "" &&
		!slices.ContainsFunc(r.http.Header["Authorization"], isBasic) && r.Token.GrantType == exchange.GrantTokenExchange
}

func (r *Request) authenticateJSON() error {
	cred, err := r.jsonCredentials()
	if err != nil {
		return err
	}
	if cred.id == "" {
		return exchange.Refuse(exchange.ReasonClientUnknown,
			errors.New("nothing names the client: no X-API-Key, no Basic, and no pair of headers …-Client-Id and …-Client-Secret"))
	}
	return r.authenticateClient(cred)
}

// authenticateClient finds the client of the credentials and verifies them.
//
// An unknown client is refused as one that must authenticate, if there is only an
// ID, and otherwise as one whose proof is wrong. So the responses do not tell
// which confidential clients exist.
func (r *Request) authenticateClient(cred credentials) error {
	client := r.clients.Client(cred.id)
	if client != nil || mayBeID(cred.id) {
		r.event.Client = cred.id
	}
	if cred.method == exchange.AuthNone {
		return r.authenticatePublic(client)
	}
	return r.authenticateConfidential(client, cred)
}

// mayBeID reports whether a text has the form of a client's ID. Other text may be
// a secret in the wrong place, and is not logged.
func mayBeID(s string) bool {
	const most = 64
	return len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-')
	})
}

// authenticatePublic accepts a public client by its ID, and at endpoints that
// take a refresh token the pages of any client that is registered for it.
func (r *Request) authenticatePublic(client *exchange.CompiledClient) error {
	switch {
	case client == nil:
		return exchange.Refuse(exchange.ReasonClientUnknown, errors.New("there is no such client"))
	case !client.Client.Public() && !(r.endpoint.PageRefresh && client.Client.PageMayRefresh(r.origin)):
		return exchange.Refuse(exchange.ReasonClientUnknown, r.howToAuthenticate(client.Client.Auth))
	}
	return r.accept(Caller{Client: client})
}

// howToAuthenticate returns, for the operator, how a client that only gave its ID must
// authenticate, and where the secret would be.
func (r *Request) howToAuthenticate(auth exchange.AuthMethod) error {
	text := "the client must authenticate by " + string(auth)
	if r.endpoint.Caller != FormClient && auth.BySecret() {
		text += ": there is neither X-Server-Secret, under whatever vendor's name, nor Basic"
	}
	if r.endpoint.takesPublicClients() && len(r.http.Header["Authorization"]) > 0 {
		text += "; the Authorization header is not Basic and was ignored"
	}
	if r.endpoint.PageRefresh && r.origin != "" {
		text += "; its pages need not if pageRefresh is set and origins has theirs"
	}
	return errors.New(text)
}

// authenticateConfidential verifies the secret or the assertion of a client. A caller
// without a valid one learns no more of a client than of an unknown ID.
func (r *Request) authenticateConfidential(client *exchange.CompiledClient, cred credentials) (err error) {
	if client != nil && client.Client.Public() {
		return r.refuseNeedlessCredential(client.Client, cred.method)
	}
	caller := Caller{Client: client, Authenticated: true}
	if cred.method == exchange.AuthPrivateKeyJWT {
		err = r.checkAssertion(client, cred.assertion)
	} else {
		caller.Credential, err = r.checkSecret(client, cred)
	}
	if err != nil {
		return err
	}
	return r.accept(caller)
}

// refuseNeedlessCredential refuses a public client that sends a credential, and says
// which. Its ID is public, so that this reveals nothing.
func (r *Request) refuseNeedlessCredential(c *exchange.Client, method exchange.AuthMethod) error {
	what := "client_secret"
	switch {
	case method == exchange.AuthPrivateKeyJWT:
		what = "client_assertion"
	case method == exchange.AuthSecretBasic:
		what = "Basic credentials, and its ID as client_id"
		if r.endpoint.Caller != FormClient {
			what = "Basic credentials, and its ID as X-API-Key"
		}
	case r.endpoint.Caller != FormClient:
		what = "secret in a header"
	}
	return Refused(exchange.ReasonClientAuthenticationFailed, "client %s is public: send no %s", c.ID, what)
}

// accept makes caller that of the request, unless a page sent it that is not one of
// the client's, to protect the user of the browser.
func (r *Request) accept(caller Caller) error {
	client := caller.Client.Client
	if !client.AllowsOrigin(r.origin) {
		return exchange.Refuse(exchange.ReasonOriginNotAllowed,
			fmt.Errorf("client %s does not have the origin %s; if the page is its own, add it: origins: [%[2]s]", client.ID, exchange.Quote(r.origin)))
	}
	r.Caller = caller
	return nil
}

// checkSecret checks a secret and the network that it comes from, and returns the
// secret's ID. The secret is checked first, so that a caller without a valid one
// cannot probe the networks.
func (r *Request) checkSecret(client *exchange.CompiledClient, cred credentials) (id string, err error) {
	id = r.secretID(client, cred)
	spoiled := false
	if bare := strings.Trim(cred.secret, " \t\r\n\"'"); bare != cred.secret { // for an unknown client too, for its time
		spoiled = r.secretID(client, credentials{id: cred.id, secret: bare}) != ""
	}
	if client == nil {
		return "", denied("there is no such client")
	}
	c := client.Client
	header := r.endpoint.Caller != FormClient && c.Auth == exchange.AuthSecretBasic // as good as Basic there
	switch {
	case c.Auth != cred.method && !header:
		return "", denied("the client is registered for %s, not %s", c.Auth, cred.method)
	case len(c.Secrets) == 0:
		return "", denied("the client has no secret; make one with: cambio client rotate %s", c.ID)
	case id == "" && spoiled:
		return "", denied("the secret is right but for what is around it, such as a newline or quotation marks; send it without")
	case id == "":
		return "", denied("the secret is wrong")
	}
	if !client.AcceptsSecretFrom(r.addr) {
		r.Token.Trail.Key = id
		return "", exchange.Refuse(exchange.ReasonAddressNotAllowed,
			fmt.Errorf("secret %s was sent from an address that is not in secretAddresses; if no backend has moved, revoke it", id))
	}
	r.server.cfg.SecretUsed(c.ID, id, r.Now)
	return id, nil
}

// secretID returns the ID of the client's secret that equals the presented one, empty
// if there is none. It takes as long for an unknown client, which has no secrets, and
// a wrong secret counts against its ID as against a known one's.
func (r *Request) secretID(client *exchange.CompiledClient, cred credentials) string {
	r.credential = cred.id
	if client == nil {
		client = &exchange.CompiledClient{Client: &exchange.Client{}}
	}
	return r.server.cfg.CheckSecret(client.Client, cred.secret, r.Now)
}

// checkAssertion verifies a client assertion (RFC 7523 §3) and spends its jti.
func (r *Request) checkAssertion(client *exchange.CompiledClient, assertion *subject.Assertion) error {
	s := r.server
	jti, expires, err := s.cfg.Subjects.ClientAssertion(r.Context(), client, assertion, s.assertionAudiences, r.Now)
	if err != nil {
		return err
	}
	err = s.cfg.Spend(r.Context(), "client assertion", strconv.Quote(client.Client.ID)+jti, expires, r.Now)
	if err != nil && exchange.AsError(err).Reason == exchange.ReasonSubjectTokenReplayed {
		return exchange.Refuse(exchange.ReasonClientAuthenticationFailed, err)
	}
	return err
}

func denied(format string, args ...any) error {
	return exchange.Refuse(exchange.ReasonClientAuthenticationFailed, fmt.Errorf(format, args...))
}
