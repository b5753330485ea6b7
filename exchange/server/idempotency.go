package server

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/idempotency"
)

// A request to the token endpoint or a JSON endpoint may have an Idempotency-Key, a
// text that its client made up for it (draft-ietf-httpapi-idempotency-key-header
// §2). The same request with the same key gets the response that the first one got.

// maxWork bounds the work for a request with an Idempotency-Key, which goes on if
// its caller leaves. With the time in the queue it is shorter than a lease.
const maxWork = 30 * time.Second

// idempotencyState is the state of a request with an Idempotency-Key.
type idempotencyState struct {
	key      string // empty: the request has none
	replayed bool   // the response is a stored one
	lease    *idempotency.Lease
	cancel   context.CancelFunc // of the work under the lease
}

// HasKey reports whether the request has an Idempotency-Key.
func (r *Request) HasKey() bool { return r.idempotency.key != "" }

// readIdempotencyKey reads the key. One that is not valid is refused, since the
// client relies on it.
func (r *Request) readIdempotencyKey() error {
	values := r.http.Header["Idempotency-Key"]
	if len(values) == 0 {
		return nil
	}
	if len(values) > 1 {
		return malformed("there are %d Idempotency-Key headers", len(values))
	}
	var ok bool
	if r.idempotency.key, ok = idempotency.ParseKey(values[0]); !ok {
		return Refused(exchange.ReasonParameterInvalid, "Idempotency-Key is not 1 to 255 printable ASCII characters, in quotation marks or without spaces, commas and quotation marks")
	}
	return nil
}

// lookup replays the stored response to the same request, or acquires the lease to
// store one. An authenticated client's lease is in the store before anything is
// done; nothing of other callers is stored until they have proved something.
func (r *Request) lookup() (replayed bool, err error) {
	if r.idempotency.key == "" || r.endpoint.NeverReplayed {
		return false, nil
	}
	if r.Caller.Client == nil { // keys of different clients are independent
		return false, Refused(exchange.ReasonParameterInvalid, "Idempotency-Key needs client_id: a key is the client's own")
	}
	stored, lease, err := r.server.cfg.LookupResponse(r.Context(), idempotency.Request{
		ID: r.ID, Client: r.Client().ID, Key: r.idempotency.key, Fingerprint: r.identity(), Durable: r.Caller.Authenticated,
	}, r.Now)
	if err != nil {
		return false, err
	}
	if stored != nil {
		return r.replay(stored)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), maxWork)
	r.http = r.http.WithContext(ctx)
	r.idempotency.lease, r.idempotency.cancel = lease, cancel
	return false, nil
}

// identity returns the parts of a request that make another one the same. Of a form
// these are its parameters except the client's credential, which has been verified,
// and which a client may have to make anew (RFC 7523 §3).
func (r *Request) identity() [][]byte {
	h := r.http
	parts := [][]byte{[]byte(h.Method), []byte(h.URL.Path), []byte(strings.Join(r.clientSessionIDs(), ","))}
	if r.endpoint.Caller != FormClient {
		return append(parts, r.in)
	}
	return append(parts, r.form.identity...)
}

// replay makes a stored response that of this request, if it still may be. A
// refresh is decided anew once the refresh token in the response was used: a
// predecessor that comes then was stolen, whatever comes with it (RFC 9700
// §4.14.2), and an ended session is to be refused. Unauthenticated callers get no
// tokens that were used or have expired: all that is known of them is that they
// have the request, whose proof may have expired or been for one use.
func (r *Request) replay(stored *idempotency.Response) (bool, error) {
	if r.Token.GrantType == exchange.GrantRefreshToken || !r.Caller.Authenticated {
		if unused, err := r.tokensUnused(stored); err != nil || !unused {
			return false, err
		}
	}
	r.idempotency.replayed = true
	r.status, r.out = stored.Status, append(r.out[:0], stored.Body...)
	r.event.Reason, r.event.Replays = stored.Reason, stored.Request
	r.Token.Trail.User, r.Token.Trail.Session = stored.User, stored.Session
	return true, nil
}

// tokensUnused reports whether the tokens in a response, if any, are valid and
// unused.
func (r *Request) tokensUnused(stored *idempotency.Response) (bool, error) {
	var tokens struct {
		AccessToken   string `json:"accessToken"`
		RefreshToken  string `json:"refreshToken"`
		AccessToken6  string `json:"access_token"` // RFC 6749 §5.1
		RefreshToken6 string `json:"refresh_token"`
	}
	if stored.Status != http.StatusOK {
		return true, nil
	}
	if err := json.Unmarshal([]byte(stored.Body), &tokens); err != nil {
		return false, err
	}
	token := cmp.Or(tokens.RefreshToken, tokens.RefreshToken6, tokens.AccessToken, tokens.AccessToken6)
	if token == "" {
		return true, nil
	}
	return r.server.cfg.Sessions.Unused(r.Context(), token, r.Now)
}

// storeResponse stores the response for repeated requests, or lets the next one
// try anew. The response is sent in any case: what it reports is done.
func (r *Request) storeResponse(reason exchange.Reason) {
	defer r.onPanic(func(error) {})
	lease := r.idempotency.lease
	if lease == nil {
		return
	}
	r.idempotency.cancel()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), maxWork)
	defer cancel()
	var err error
	if t := &r.Token.Trail; r.isFinal(reason) {
		err = lease.Store(ctx, idempotency.Response{Status: r.status, Reason: reason, User: t.User, Session: t.Session, Body: string(r.out)})
	} else {
		err = lease.Release(ctx)
	}
	if err != nil {
		r.server.cfg.Logger.LogAttrs(ctx, slog.LevelError, "a response is not stored",
			slog.String("request_id", r.ID), slog.String("error", err.Error()))
	}
}

// isFinal reports whether every repetition of the request is to get this response:
// a success, or a refusal that no later try would change. Callers that proved
// nothing are refused anew each time.
func (r *Request) isFinal(reason exchange.Reason) bool {
	switch {
	case len(r.out) > idempotency.MaxBody:
		return false
	case r.status < http.StatusMultipleChoices:
		return r.Caller.Authenticated || r.proved
	}
	return r.Caller.Authenticated && unchanging[reason]
}

// unchanging are the refusals that follow from the request alone, or from what was
// used up. Those that an operator, time or a repaired dependency can change are not
// among them.
var unchanging = map[exchange.Reason]bool{
	exchange.ReasonRequestMalformed:       true,
	exchange.ReasonParameterMissing:       true,
	exchange.ReasonParameterRepeated:      true,
	exchange.ReasonGrantTypeUnsupported:   true,
	exchange.ReasonTokenTypeUnsupported:   true,
	exchange.ReasonSubjectTokenMalformed:  true,
	exchange.ReasonSubjectTokenExpired:    true,
	exchange.ReasonSubjectTokenReplayed:   true,
	exchange.ReasonSubjectTokenRevoked:    true,
	exchange.ReasonNonceMismatch:          true,
	exchange.ReasonRefreshTokenInvalid:    true,
	exchange.ReasonRefreshTokenExpired:    true,
	exchange.ReasonRefreshTokenReused:     true,
	exchange.ReasonSessionEnded:           true,
	exchange.ReasonRequestReplayed:        true,
	exchange.ReasonRequestExpired:         true,
	exchange.ReasonChallengeInvalid:       true,
	exchange.ReasonCodeWrong:              true,
	exchange.ReasonWalletSignatureInvalid: true,
}
