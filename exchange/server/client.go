package server

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"cambio/exchange"
	"cambio/exchange/subject"
)

// assertionJWT is the client_assertion_type of RFC 7523 §2.2.
const assertionJWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// credentials are what a request says of its client. Method is how the proof
// came; none says that there is only a name.
type credentials struct {
	method    exchange.AuthMethod
	id        string
	secret    string
	assertion *subject.Assertion
	door      bool // at a door, where headers of ours are as good as Basic
}

// credentials finds those of a form request (RFC 6749 §2.3): never two at once.
func (c *call) credentials() (credentials, error) {
	p := &c.params
	found, err := c.basic()
	if err != nil {
		return found, err
	}
	if p.clientSecret != "" {
		if found.method != exchange.AuthNone {
			return found, errTwoCredentials()
		}
		found = credentials{method: exchange.AuthSecretPost, id: p.clientID, secret: p.clientSecret}
	}
	if p.assertion != "" || p.assertionType != "" {
		if found.method != exchange.AuthNone {
			return found, errTwoCredentials()
		}
		if p.assertionType != assertionJWT || p.assertion == "" {
			return found, refused(exchange.ReasonParameterInvalid, "client_assertion_type must be %s", assertionJWT)
		}
		found = credentials{method: exchange.AuthPrivateKeyJWT, assertion: subject.ParseAssertion(p.assertion)}
	}
	return found, found.named(p.clientID)
}

// named takes the client_id that was given beside the credentials. It may
// repeat what they say, never contradict it.
func (f *credentials) named(id string) error {
	if f.id == "" {
		f.id = id
	}
	if id != "" && id != f.id {
		return malformed("client_id is not that of the Authorization header")
	}
	return nil
}

func errTwoCredentials() error {
	return malformed("the client authenticates in more than one way")
}

// basic reads client_secret_basic: a form-encoded id and secret (RFC 6749
// §2.3.1) in RFC 7617's Basic scheme.
func (c *call) basic() (credentials, error) {
	none := credentials{method: exchange.AuthNone}
	values := c.r.Header["Authorization"]
	if len(values) == 0 {
		return none, nil
	}
	if len(values) > 1 {
		return none, errTwoCredentials()
	}
	scheme, encoded, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return none, exchange.Refuse(exchange.ReasonClientAuthenticationFailed, errors.New("the Authorization scheme is not Basic"))
	}
	pair, err := base64.StdEncoding.Strict().DecodeString(strings.TrimLeft(encoded, " "))
	if err != nil {
		return none, exchange.Refuse(exchange.ReasonClientAuthenticationFailed, errors.New("the Basic credentials are not base64"))
	}
	id, secret, ok := decodeBasic(pair)
	if !ok || id == "" || secret == "" {
		return none, exchange.Refuse(exchange.ReasonClientAuthenticationFailed, errors.New("the Basic credentials are not an id and a secret"))
	}
	return credentials{method: exchange.AuthSecretBasic, id: id, secret: secret}, nil
}

func decodeBasic(pair []byte) (id, secret string, ok bool) {
	i := strings.IndexByte(string(pair), ':')
	if i < 0 {
		return "", "", false
	}
	first, ok := unescape(pair[:i])
	if !ok {
		return "", "", false
	}
	second, ok := unescape(pair[i+1:])
	return string(first), string(second), ok
}

// authenticate finds the client of the credentials and believes them or not.
//
// Without a proof, a client that is not there and one that needs a proof answer
// alike; with one, a client that is not there and one whose proof is wrong. So
// nobody learns which confidential clients there are.
func (s *Server) authenticate(c *call, cred credentials) (*exchange.CompiledClient, error) {
	party := c.clients.Client(cred.id)
	if party != nil || mayBeID(cred.id) {
		c.event.Client = cred.id
	}
	if cred.method == exchange.AuthNone {
		return party, s.believeName(c, party, cred.door)
	}
	return party, s.believeProof(c, party, cred)
}

// mayBeID says whether a text has the form of a client's ID. What has not may
// be a secret in the wrong place, and is not logged.
func mayBeID(s string) bool {
	const most = 64
	return len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-')
	})
}

func (s *Server) believeName(c *call, party *exchange.CompiledClient, door bool) error {
	switch {
	case party == nil:
		return exchange.Refuse(exchange.ReasonClientUnknown, errors.New("there is no such client"))
	case !party.Client.Public() && !(c.bearer && party.Client.PageMayRefresh(c.origin)):
		return exchange.Refuse(exchange.ReasonClientUnknown, unproven(c, party.Client.Auth, door))
	}
	c.client = party.Client
	return s.mayCallFrom(party.Client, c.origin)
}

// unproven says by what a client that only gave its name must authenticate, and
// where the secret would be.
func unproven(c *call, auth exchange.AuthMethod, door bool) error {
	text := "the client must authenticate by " + string(auth)
	if door && (auth == exchange.AuthSecretBasic || auth == exchange.AuthSecretPost) {
		text += ": there is neither X-Server-Secret, under whatever vendor's name, nor Basic"
	}
	if c.bearer && c.origin != "" {
		text += "; its pages need not if pageRefresh is set and origins has theirs"
	}
	return errors.New(text)
}

func (s *Server) believeProof(c *call, party *exchange.CompiledClient, cred credentials) error {
	client := s.decoy
	if party != nil {
		client = party.Client
	}
	if err := s.mayCallFrom(client, c.origin); err != nil {
		return err
	}
	var err error
	if cred.method == exchange.AuthPrivateKeyJWT {
		err = s.checkAssertion(c, party, cred.assertion)
	} else {
		err = s.checkSecret(c, party, cred)
	}
	if err != nil {
		return err
	}
	c.client, c.proven = client, true
	return nil
}

// mayCallFrom is the Origin check: a browser's user is protected from pages
// that are none of the client's.
func (s *Server) mayCallFrom(client *exchange.Client, origin string) error {
	if client.AllowsOrigin(origin) && origin != "null" {
		return nil
	}
	return exchange.Refuse(exchange.ReasonOriginNotAllowed, errors.New("the client does not have the origin "+exchange.Quote(origin)))
}

// decoy stands for clients that are not there: checking its secret takes as
// long as checking another's, and no secret is right.
func decoy() *exchange.Client {
	return &exchange.Client{Auth: exchange.AuthSecretBasic, Secrets: []exchange.ClientSecret{{ID: "none", MAC: make([]byte, 32)}}}
}

// checkSecret checks a secret, and that it comes from where it may: in this
// order, so that who has no right one learns nothing of the networks.
func (s *Server) checkSecret(c *call, party *exchange.CompiledClient, cred credentials) error {
	if party == nil {
		s.cfg.CheckSecret(s.decoy, cred.secret, c.now)
		return denied("there is no such client")
	}
	client := party.Client
	id := s.cfg.CheckSecret(client, cred.secret, c.now)
	switch {
	case client.Auth != cred.method && !(cred.door && client.Auth == exchange.AuthSecretBasic):
		return denied("the client is registered for %s, not %s", client.Auth, cred.method)
	case len(client.Secrets) == 0:
		return denied("the client has no secret; make one with: cambio client rotate %s", client.ID)
	case id == "":
		return denied("the secret is wrong")
	}
	if !party.AcceptsSecretFrom(c.addr) {
		c.req.Trail.Key = id
		return exchange.Refuse(exchange.ReasonAddressNotAllowed,
			fmt.Errorf("secret %s was sent from an address that is not in secretAddresses; if nobody moved, revoke it", id))
	}
	c.req.Credential = id
	s.cfg.SecretUsed(client.ID, id, c.now)
	return nil
}

// checkAssertion verifies a client assertion (RFC 7523 §3) and spends its jti.
func (s *Server) checkAssertion(c *call, party *exchange.CompiledClient, assertion *subject.Assertion) error {
	switch {
	case party == nil:
		return denied("there is no such client")
	case party.Client.Auth != exchange.AuthPrivateKeyJWT || party.Keys == nil:
		return denied("the client is not registered for %s", exchange.AuthPrivateKeyJWT)
	}
	jti, expires, err := s.cfg.Subjects.ClientAssertion(c.ctx(), party, assertion, s.assertionAudiences, c.now)
	if err != nil {
		return err
	}
	err = s.cfg.Replays.Spend(c.ctx(), "client assertion", strconv.Quote(party.Client.ID)+jti, expires, c.now)
	if err != nil && exchange.AsError(err).Reason == exchange.ReasonSubjectTokenReplayed {
		return denied("the assertion was used before")
	}
	return err
}

func denied(format string, args ...any) error {
	return exchange.Refuse(exchange.ReasonClientAuthenticationFailed, fmt.Errorf(format, args...))
}

// authenticateForm is authenticate for requests with a form.
func (s *Server) authenticateForm(c *call) (*exchange.CompiledClient, error) {
	cred, err := c.credentials()
	if err != nil {
		return nil, err
	}
	if cred.id == "" && cred.method == exchange.AuthPrivateKeyJWT {
		cred.id = cred.assertion.Client()
	}
	if cred.id == "" {
		return nil, refused(exchange.ReasonParameterMissing, "client_id is missing")
	}
	return s.authenticate(c, cred)
}
