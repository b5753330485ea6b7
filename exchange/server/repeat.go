package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/idempotency"
)

// A request at a door may have an Idempotency-Key, a text that its client made
// up for it (draft-ietf-httpapi-idempotency-key-header §2). Whoever sends the
// same request with the same key again gets the answer that the first one got.

// working is how long a request with an Idempotency-Key is worked on, even if
// nobody waits for its answer any more. Together with the time in the queue it
// is shorter than the reservation.
const working = 30 * time.Second

// repeat is what a call knows of its Idempotency-Key.
type repeat struct {
	key    string                // empty: there is none
	answer *idempotency.Response // what an earlier one got, which this one gets
	turn   *idempotency.Lease    // of this one, to give the answer
	cancel context.CancelFunc    // of the work under turn
}

// errRepeated ends a handler whose answer is there already.
var errRepeated = errors.New("answered before")

// readIdempotencyKey reads the key. It is refused where it is not a sound one,
// since a client that sends one counts on it.
func (c *call) readIdempotencyKey() error {
	values := c.r.Header["Idempotency-Key"]
	if len(values) == 0 {
		return nil
	}
	if len(values) > 1 {
		return malformed("there are %d Idempotency-Key headers", len(values))
	}
	var ok bool
	if c.repeat.key, ok = idempotencyKey(values[0]); !ok {
		return refused(exchange.ReasonParameterInvalid, "Idempotency-Key is not 1 to 255 printable ASCII characters, in quotation marks or without spaces, commas and quotation marks")
	}
	return nil
}

// idempotencyKey reads a key: the draft's string (RFC 9651 §3.3.3) without
// parameters, or the bare text that most clients send. Two lines of the header
// that a proxy made one (RFC 9110 §5.3) are neither.
func idempotencyKey(value string) (key string, ok bool) {
	if quoted, found := strings.CutPrefix(value, `"`); found {
		key, ok = unquote(quoted)
	} else {
		key, ok = value, !strings.ContainsAny(value, ` ",`)
	}
	outside := func(r rune) bool { return r < ' ' || r > '~' }
	return key, ok && len(key) >= 1 && len(key) <= 255 && !strings.ContainsFunc(key, outside)
}

// unquote reads what comes after the opening mark of a string.
func unquote(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), i == len(s)-1
		case s[i] != '\\':
		case i+1 == len(s) || s[i+1] != '"' && s[i+1] != '\\':
			return "", false
		default:
			i++
		}
		b.WriteByte(s[i])
	}
	return "", false
}

// recall is where a door's request with an Idempotency-Key gets the answer that
// it got before, by an error that ends the handler, or becomes the one that is
// answered. Every door calls it once it knows that it may answer this client,
// and before it does anything that is not to be done twice; those that ask for
// tokens call [Server.grant], which does.
//
// What a client that has shown who it is asks for is reserved in the store
// first. Others prove something by what they ask, if at all: nothing of theirs
// is stored until that has succeeded.
func (s *Server) recall(c *call) error {
	if c.repeat.key == "" {
		return nil
	}
	if c.client == nil {
		return errors.New("a request with an Idempotency-Key has no client")
	}
	answer, turn, err := s.cfg.Answers.Lookup(c.ctx(), idempotency.Request{
		ID: c.id, Client: c.client.ID, Key: c.repeat.key, Fingerprint: c.asked(), Durable: c.proven,
	}, c.now)
	if err != nil {
		return err
	}
	if answer != nil {
		return s.again(c, answer)
	}
	c.repeat.turn = turn
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx()), working)
	c.r, c.repeat.cancel = c.r.WithContext(ctx), cancel
	return nil
}

// asked is what makes a request this one: the client session is a header of it.
func (c *call) asked() [][]byte {
	return [][]byte{[]byte(c.r.Method), []byte(c.r.URL.Path), []byte(strings.Join(c.r.Header["X-Client-Session-Id"], ",")), c.in}
}

// again gives an answer again. A refresh is tried anew once its refresh token
// was used: a token that comes again then was stolen, whatever comes with it
// (RFC 9700 §4.14.2), and a session that has ended is to be refused. Who has not
// authenticated gets no tokens again either, once they were used or are over:
// all that is known of it is that it has the request, whose proof may have
// expired or be for one use. It is judged as if it had sent no key.
func (s *Server) again(c *call, answer *idempotency.Response) error {
	if c.req.GrantType == exchange.GrantRefreshToken || !c.proven {
		good, err := s.stillGood(c, answer)
		if err != nil || !good {
			return err
		}
	}
	c.repeat.answer = answer
	return errRepeated
}

// stillGood says whether the tokens in an answer, if there are any, are good and
// unused.
func (s *Server) stillGood(c *call, answer *idempotency.Response) (bool, error) {
	var got struct {
		AccessToken  string `json:"accessToken"`
		RefreshToken string `json:"refreshToken"`
	}
	if answer.Status != http.StatusOK {
		return true, nil
	}
	if err := json.Unmarshal([]byte(answer.Body), &got); err != nil {
		return false, err
	}
	token := cmp.Or(got.RefreshToken, got.AccessToken)
	if token == "" {
		return true, nil
	}
	found, err := s.cfg.Sessions.Introspect(c.ctx(), token, c.now)
	return found.Active, err
}

// answerAgain makes the earlier answer this one.
func (c *call) answerAgain() {
	a := c.repeat.answer
	c.status, c.out = a.Status, append(c.out[:0], a.Body...)
	c.event.Reason, c.event.Replays = a.Reason, a.Request
	c.req.Trail.User, c.req.Trail.Session = a.User, a.Session
}

// settle keeps an answer for those who repeat the request, or lets the next of
// them try anew. The answer is sent in any case: what it tells of is done.
func (s *Server) settle(c *call, reason exchange.Reason) {
	turn := c.repeat.turn
	if turn == nil {
		return
	}
	c.repeat.cancel()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx()), working)
	defer cancel()
	var err error
	if t := &c.req.Trail; c.final(reason) {
		err = turn.Store(ctx, idempotency.Response{Status: c.status, Reason: reason, User: t.User, Session: t.Session, Body: string(c.out)})
	} else {
		err = turn.Release(ctx)
	}
	if err != nil {
		s.cfg.Logger.LogAttrs(ctx, slog.LevelError, "an answer is not kept",
			slog.String("request_id", c.id), slog.String("error", err.Error()))
	}
}

// final says whether everybody who repeats the request is to get this answer:
// a success, or a refusal that no later try would change. Who has proven
// nothing is refused anew each time.
func (c *call) final(reason exchange.Reason) bool {
	switch {
	case len(c.out) > idempotency.MaxBody:
		return false
	case c.status < http.StatusMultipleChoices:
		return c.proven || c.vouched
	}
	return c.proven && unchanging[reason]
}

// unchanging are the refusals that are decided by the request alone, and by
// what was used up. What an operator can change, what time brings and what is
// out of order at the moment is none.
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
