package server

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cambio/exchange"
	"cambio/exchange/server/form"
	"cambio/exchange/subject"
)

// assertionJWT is the client_assertion_type of RFC 7523 §2.2.
const assertionJWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// credentials are what a request says about its client. With the method none
// there is at most an ID.
type credentials struct {
	method    exchange.AuthMethod
	id        string
	secret    string
	assertion *subject.Assertion
}

// formCredentials returns the credentials of a form request (RFC 6749 §2.3):
// never two at once.
func (r *Request) formCredentials() (credentials, error) {
	p := &r.form
	found, err := r.basic()
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
			return found, Refused(exchange.ReasonParameterInvalid, "client_assertion_type must be %s", assertionJWT)
		}
		found = credentials{method: exchange.AuthPrivateKeyJWT, assertion: subject.ParseAssertion(p.assertion)}
	}
	return found, found.addID(p.clientID)
}

// addID adds the client_id given beside the credentials. It may repeat theirs,
// never contradict it.
func (c *credentials) addID(id string) error {
	if c.id == "" {
		c.id = id
	}
	if id != "" && id != c.id {
		return malformed("client_id is not that of the Authorization header")
	}
	return nil
}

func errTwoCredentials() error {
	return malformed("the client authenticates in more than one way")
}

// basic reads client_secret_basic: a form-encoded ID and secret (RFC 6749 §2.3.1)
// in RFC 7617's Basic scheme. At endpoints of public clients a header of any other
// scheme is ignored: programs add an old bearer token to every request of a page.
// Nothing is granted for it, and a client that must authenticate is told so.
func (r *Request) basic() (credentials, error) {
	none := credentials{method: exchange.AuthNone}
	values := r.http.Header["Authorization"]
	if r.endpoint.takesPublicClients() && !slices.ContainsFunc(values, isBasic) {
		return none, nil
	}
	if len(values) == 0 {
		return none, nil
	}
	if len(values) > 1 {
		return none, errTwoCredentials()
	}
	scheme, encoded, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return none, denied("the Authorization scheme is not Basic")
	}
	pair, err := base64.StdEncoding.Strict().DecodeString(strings.TrimLeft(encoded, " "))
	if err != nil {
		return none, denied("the Basic credentials are not base64")
	}
	first, second, _ := bytes.Cut(pair, []byte{':'})
	id, idOK := form.Unescape(first)
	secret, secretOK := form.Unescape(second)
	if !idOK || !secretOK || len(id) == 0 || len(secret) == 0 {
		return none, denied("the Basic credentials are not an ID and a secret")
	}
	return credentials{method: exchange.AuthSecretBasic, id: string(id), secret: string(secret)}, nil
}

// jsonCredentials returns the credentials at a JSON endpoint, never two at once.
// X-API-Key names the client; its secret is in X-Server-Secret, under any
// vendor's name (X-Acme-Server-Secret), or in Basic. Without any of these, a pair
// of headers …-Client-Id and …-Client-Secret has both.
func (r *Request) jsonCredentials() (credentials, error) {
	found, err := r.basic()
	if err != nil {
		return found, err
	}
	secret, err := r.serverSecret()
	if err != nil {
		return found, err
	}
	if secret != "" {
		if found.method != exchange.AuthNone {
			return found, errTwoCredentials()
		}
		found = credentials{method: exchange.AuthSecretPost, secret: secret}
	}
	keys := r.http.Header["X-Api-Key"]
	switch {
	case len(keys) > 1:
		return found, malformed("there are %d X-API-Key headers", len(keys))
	case len(keys) == 1:
		return found, found.addID(keys[0])
	case found.method == exchange.AuthNone:
		return r.clientPair()
	}
	return found, nil
}

// serverSecret returns the value of the one X-…-Server-Secret header.
func (r *Request) serverSecret() (secret string, err error) {
	for name, values := range r.http.Header {
		if !strings.HasPrefix(name, "X-") || !strings.HasSuffix(name, "-Server-Secret") {
			continue
		}
		if secret != "" || len(values) > 1 {
			return "", errTwoCredentials()
		}
		secret = values[0]
	}
	return secret, nil
}

// clientPair returns the pair of …-Client-Id and …-Client-Secret headers, under
// any vendor's name, or none.
func (r *Request) clientPair() (credentials, error) {
	found := credentials{method: exchange.AuthNone}
	for name, secrets := range r.http.Header {
		vendor, ok := strings.CutSuffix(name, "Client-Secret")
		if !ok || vendor != "" && !strings.HasSuffix(vendor, "-") {
			continue
		}
		ids := r.http.Header[vendor+"Client-Id"]
		if found.method != exchange.AuthNone || len(secrets) > 1 || len(ids) != 1 {
			return found, malformed("there is not exactly one pair of headers for the client's ID and secret")
		}
		found = credentials{method: exchange.AuthSecretPost, id: ids[0], secret: secrets[0]}
	}
	return found, nil
}

// bearerToken reads a bearer token (RFC 6750 §2.1). It must be the only
// credential.
func (r *Request) bearerToken() (string, error) {
	values := r.http.Header["Authorization"]
	secret, err := r.serverSecret()
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

// A server secret that a page holds is known to its visitors. Browsers reveal
// themselves by Origin (RFC 6454 §7) or by Sec-Fetch-Site (Fetch Metadata).

// sendsSecretFromBrowser reports whether a browser sends a server secret: in a
// header for it at any endpoint, or by Basic at a JSON endpoint. A confidential
// client's own form at the token endpoint may come from its origins.
func (r *Request) sendsSecretFromBrowser() bool {
	if !r.fromBrowser() {
		return false
	}
	secret, err := r.serverSecret()
	if secret != "" || err != nil || !r.endpoint.acceptsJSON() {
		return secret != "" || err != nil
	}
	pair, err := r.clientPair()
	return pair.secret != "" || err != nil || slices.ContainsFunc(r.http.Header["Authorization"], isBasic)
}

// fromBrowser reports whether a browser sent the request, as far as it says so.
func (r *Request) fromBrowser() bool {
	return len(r.http.Header["Origin"]) > 0 || len(r.http.Header["Sec-Fetch-Site"]) > 0
}

// isBasic reports whether an Authorization header holds a secret, not a token.
func isBasic(authorization string) bool {
	scheme, _, _ := strings.Cut(authorization, " ")
	return strings.EqualFold(scheme, "Basic")
}

// refuseSecretFromBrowser refuses a secret without telling the caller whether it is
// valid. The audit event names it, so that the operator revokes it.
func (r *Request) refuseSecretFromBrowser() error {
	r.countsFailure = true
	r.event.Name = r.endpoint.Event
	return exchange.Refuse(exchange.ReasonServerSecretInBrowser, r.identifySecret())
}

// identifySecret returns what the operator is told about a secret in a browser.
func (r *Request) identifySecret() error {
	cred, err := r.jsonCredentials()
	if err != nil {
		return err
	}
	client := r.clients.Client(cred.id)
	id := r.secretID(client, cred)
	if client == nil {
		return errors.New("a browser sent a secret of an unknown client")
	}
	r.event.Client = cred.id
	if id == "" {
		return errors.New("a browser sent a wrong secret")
	}
	r.Token.Trail.Key = id
	return fmt.Errorf("a browser sent the secret, which every visitor of the page can read; run cambio client secret revoke %s %s", cred.id, id)
}
