package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cambio/exchange"
)

// A server secret that a page holds is known to its visitors. Browsers reveal
// themselves by Origin (RFC 6454 §7) or by Sec-Fetch-Site (Fetch Metadata).

// sendsSecretFromBrowser reports whether a browser sends a server secret: in a
// header for it at any endpoint, or by Basic at a JSON endpoint. A confidential
// client's own form at the token endpoint may come from its origins.
func (r *Request) sendsSecretFromBrowser() bool {
	h := r.http.Header
	if len(h["Origin"]) == 0 && len(h["Sec-Fetch-Site"]) == 0 {
		return false
	}
	secret, err := r.serverSecret()
	if secret != "" || err != nil || !r.endpoint.acceptsJSON() {
		return secret != "" || err != nil
	}
	pair, err := r.clientPair()
	return pair.secret != "" || err != nil || slices.ContainsFunc(h["Authorization"], isBasic)
}

// isBasic reports whether an Authorization header holds a secret, not a token.
func isBasic(authorization string) bool {
	scheme, _, _ := strings.Cut(authorization, " ")
	return strings.EqualFold(scheme, "Basic")
}

// refuseSecretFromBrowser refuses a secret without telling the caller whether it is
// valid. The audit event names it, so that the operator revokes it.
func (r *Request) refuseSecretFromBrowser() error {
	if err := r.checkAddress(); err != nil {
		return err
	}
	r.event.Name = r.endpoint.Event
	return exchange.Refuse(exchange.ReasonServerSecretInBrowser, r.identifySecret())
}

// identifySecret returns what the operator is told about a secret in a browser.
func (r *Request) identifySecret() error {
	cred, err := r.jsonCredentials()
	if err != nil {
		return err
	}
	s, client := r.server, r.clients.Client(cred.id)
	if client == nil {
		s.cfg.CheckSecret(s.decoy, cred.secret, r.Now)
		return errors.New("a browser sent a secret of an unknown client")
	}
	r.event.Client = cred.id
	id := s.cfg.CheckSecret(client.Client, cred.secret, r.Now)
	if id == "" {
		return errors.New("a browser sent a wrong secret")
	}
	r.Token.Trail.Key = id
	return fmt.Errorf("a browser sent the secret, which every visitor of the page can read; run cambio client secret revoke %s %s", cred.id, id)
}
