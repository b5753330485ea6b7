package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cambio/exchange"
	"cambio/exchange/subject"
	"cambio/exchange/walletlogin"
)

// ClientSessionCaller is the client session of a request, with its ID.
type ClientSessionCaller struct {
	ID string
	walletlogin.Session
}

// Signature is the verified signature of a request.
type Signature struct {
	Key   string // ID of the client's key
	Bytes []byte
}

// authenticateBearer finds the client whose own access token the bearer token is,
// which also authenticates it. That is enough, although the token endpoint demands
// the client's secret too, because nothing is gained by it:
//
//   - the token was issued to the client alone, for its secret or key, and its
//     scope says that checkout tokens may be made with it;
//   - what it becomes can do less, is for another audience that the operator
//     named, and expires no later: a thief could use it as it is;
//   - it is for this server (RFC 9068 §4). An API that the client calls gets a
//     token for that API, and cannot make checkout tokens with it;
//   - tokens that pages hold, users' tokens and checkout tokens, are refused.
func (r *Request) authenticateBearer() error {
	token, err := r.bearerToken()
	if err != nil {
		return err
	}
	t, err := r.server.cfg.Sessions.Parse(r.Context(), token, r.Now)
	switch {
	case err != nil && exchange.AsError(err).Reason.Temporary():
		return err // no fault of the token's
	case err != nil:
		return exchange.Refuse(exchange.ReasonAccessTokenInvalid, err) // RFC 6750 §3.1
	}
	r.event.Client = t.Client
	client := r.clients.Client(t.Client)
	if err := r.checkBearer(client, t); err != nil {
		return err
	}
	r.Caller = Caller{Client: client, Authenticated: true, AccessToken: token}
	return nil
}

func (r *Request) checkBearer(client *exchange.CompiledClient, t *exchange.AccessToken) error {
	invalid, insufficient := exchange.ReasonAccessTokenInvalid, exchange.ReasonAccessTokenInsufficient
	switch keys := r.http.Header["X-Api-Key"]; {
	case client == nil:
		return exchange.Refuse(invalid, errors.New("its client was removed"))
	case !client.Client.IssuedToItself(t):
		return exchange.Refuse(insufficient, errors.New("it is not one of the client's own"))
	case !slices.Contains(t.Audience, r.server.cfg.Issuer):
		e := exchange.Refuse(invalid, errors.New("it is for "+exchange.Quote(strings.Join(t.Audience, " "))))
		e.Description = "the access token is for another API: ask for one with the scope " + exchange.ScopeCheckout + " alone"
		return e
	case !client.Client.MayCheckout(t): // before a stored response is replayed
		return exchange.Refuse(insufficient, errors.New("it is not of scope "+exchange.ScopeCheckout))
	case t.JKT != "": // RFC 9449 §7.2
		return exchange.Refuse(invalid, errors.New("it is bound to a key and no bearer token"))
	case len(keys) > 0 && !slices.Equal(keys, []string{t.Client}):
		return malformed("X-API-Key is not the access token's client")
	}
	return nil
}

// authenticateSignature authenticates a client by its signature over the body,
// of which nothing has been read yet.
func (r *Request) authenticateSignature() error {
	cred, err := r.jsonCredentials()
	switch {
	case err != nil:
		return err
	case cred.method != exchange.AuthNone:
		return errTwoCredentials()
	case cred.id == "":
		return exchange.Refuse(exchange.ReasonClientUnknown, errors.New("there is no X-API-Key"))
	}
	signatures := r.http.Header["X-Request-Signature"]
	if len(signatures) != 1 {
		return exchange.Refuse(exchange.ReasonRequestSignatureInvalid, fmt.Errorf("want one X-Request-Signature, got %d", len(signatures)))
	}
	client := r.clients.Client(cred.id)
	if client != nil || mayBeID(cred.id) {
		r.event.Client = cred.id
	}
	key, signature, err := subject.RequestSignature(client, r.in, signatures[0])
	if err != nil {
		return err
	}
	r.Caller = Caller{Client: client, Authenticated: true, Signature: Signature{key, signature}}
	r.Token.Trail.Key, r.Token.Trail.Issuer = key, exchange.Namespace(exchange.TypeOneTimeToken, client.Client.ID)
	return nil
}

// clientSessionIDs returns the values of Client-Session-Id headers, under any
// vendor's name (X-Acme-Client-Session-Id).
func (r *Request) clientSessionIDs() (ids []string) {
	for name, values := range r.http.Header {
		if vendor, ok := strings.CutSuffix(name, "Client-Session-Id"); ok && (vendor == "" || strings.HasSuffix(vendor, "-")) {
			ids = append(ids, values...)
		}
	}
	slices.Sort(ids) // headers have no order
	return ids
}

// authenticateClientSession finds the session of the one Client-Session-Id.
// Possession of the ID authorizes the call on the client's behalf; a browser's must
// come from one of its origins.
func (r *Request) authenticateClientSession() error {
	ids := r.clientSessionIDs()
	if len(ids) != 1 {
		return exchange.Refuse(exchange.ReasonClientSessionInvalid, fmt.Errorf("want one X-Client-Session-Id, got %d", len(ids)))
	}
	session, err := r.server.cfg.ClientSessions.Find(r.Context(), ids[0], r.Now)
	if err != nil {
		return err
	}
	client := r.clients.Client(session.Client)
	if client == nil {
		return exchange.Refuse(exchange.ReasonClientSessionInvalid, errors.New("its client was removed"))
	}
	for _, id := range r.http.Header["X-Api-Key"] {
		if id != session.Client {
			return exchange.Refuse(exchange.ReasonClientSessionInvalid, errors.New("X-API-Key names another client"))
		}
	}
	r.event.Client = client.Client.ID
	return r.accept(Caller{Client: client, ClientSession: &ClientSessionCaller{ids[0], session}})
}
