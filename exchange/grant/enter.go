package grant

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// attempts is how often a commit that lost to another is decided anew. A
// first exchange loses at most once to another of the same subject.
const attempts = 8

// entry is a proven subject on its way in.
type entry struct {
	trust   *exchange.CompiledIssuer // nil when the proof is a token of ours
	client  *exchange.Client
	subject *exchange.Subject
	actor   *exchange.Actor
	ask     exchange.Requested
	issue   issue
	bearer  bool    // never a refresh token
	once    []spend // tokens that this use spends
	// challenges are the names of what we handed out that this use spends.
	challenges []string
}

// spend is a token that may be used once.
type spend struct {
	id      string
	expires time.Time
}

// spends adds the token that proved s, if its issuer's tokens are for one use,
// and the challenge that it answers.
func (n *entry) spends(s *exchange.Subject) {
	if s.Proof.Challenge != "" {
		n.challenges = append(n.challenges, s.Proof.Challenge)
	}
	if s.Proof.Replay == "" {
		return
	}
	id := binary.AppendUvarint(nil, uint64(len(s.Issuer))) // no two pairs share an id
	id = append(append(id, s.Issuer...), s.Proof.Replay...)
	n.once = append(n.once, spend{string(id), s.Proof.Expires})
}

// spent are the writes that spend what n spends. A token that comes twice in
// one request is used twice.
func (e *Endpoint) spent(ctx context.Context, n *entry, now time.Time) ([]storage.Write, error) {
	var writes []storage.Write
	for i, s := range n.once {
		if slices.ContainsFunc(n.once[:i], func(o spend) bool { return o.id == s.id }) {
			return nil, exchange.Refuse(exchange.ReasonSubjectTokenReplayed, errors.New("the actor token is the subject token"))
		}
		w, err := e.cfg.Replays.Once(ctx, "subject token", s.id, s.expires, now)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	for _, c := range n.challenges {
		w, err := e.cfg.Challenges.Spend(ctx, c, now)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w...)
	}
	return writes, nil
}

// keeps says whether a session is stored.
func (n *entry) keeps() bool {
	return n.client.RefreshTokens && n.client.MayUse(exchange.GrantRefreshToken) && !n.bearer && !n.issue.id
}

// enter lets a subject in that an issuer's token proved.
func (e *Endpoint) enter(ctx context.Context, req *Request, n *entry, now time.Time) (*Response, error) {
	if n.issue.refresh && !n.keeps() {
		return nil, invalid("requested_token_type", "is one that this client does not get")
	}
	if err := n.forItself(); err != nil {
		return nil, err
	}
	d := exchange.Decide(n.trust, n.client, n.subject, n.ask, now)
	if err := req.Trail.decided(d); err != nil {
		return nil, err
	}
	n.spends(n.subject)
	var err error
	for range attempts {
		var resp *Response
		resp, err = e.admit(ctx, req, n, &d, now)
		if !errors.Is(err, storage.ErrConflict) {
			return resp, err
		}
	}
	return nil, exchange.Refuse(exchange.ReasonOverloaded, err)
}

// forItself has an ID token be for the client, as an ID token always is (OpenID
// Connect Core §2).
func (n *entry) forItself() error {
	if !n.issue.id {
		return nil
	}
	for _, a := range n.ask.Audiences {
		if a != n.client.ID {
			return exchange.Check{
				Name: "audience", Want: n.client.ID, Got: a, Reason: exchange.ReasonTargetNotAllowed,
			}.Refusal()
		}
	}
	n.ask.Audiences = nil
	return nil
}

// admit reads who the subject is, and commits what was decided: a new user, a
// session, a spent token, together or not at all. Where there is none of these
// it commits nothing.
func (e *Endpoint) admit(ctx context.Context, req *Request, n *entry, d *exchange.Decision, now time.Time) (*Response, error) {
	create := n.client.CreatesUsers() && !n.subject.MustExist
	user, isNew, writes, err := e.cfg.Users.Resolve(ctx, n.subject, create, now)
	if err != nil {
		return nil, err
	}
	if !isNew {
		req.Trail.User = user.ID
	}
	spent, err := e.spent(ctx, n, now)
	if err != nil {
		return nil, err
	}
	tokens, t, err := e.start(ctx, n, user.ID, d, now, append(writes, spent...))
	if err != nil {
		return nil, err
	}
	req.Trail.User, req.Trail.Session = user.ID, t.Session
	resp := respond(tokens, t, now)
	resp.User = &User{ID: user.ID, Email: user.Email, IsNew: isNew}
	return e.issue(resp, n.issue, t)
}

// start makes the tokens. Those without a session say themselves where they
// came from.
func (e *Endpoint) start(ctx context.Context, n *entry, user string, d *exchange.Decision, now time.Time, writes []storage.Write) (exchange.Tokens, *exchange.AccessToken, error) {
	t := n.token(user, d, now)
	var sess *exchange.Session
	keep := n.keeps()
	if keep {
		sess = n.session(user, d, now)
	} else {
		t.Origin = exchange.Origin{Issuer: n.subject.Issuer, Key: n.subject.Proof.Key, Link: n.subject.LinkKey()}
	}
	tokens, err := e.cfg.Sessions.Create(ctx, sess, t, n.client.Idle(), keep, now, writes...)
	return tokens, t, err
}

// token is the access token of a subject that was let in.
func (n *entry) token(user string, d *exchange.Decision, now time.Time) *exchange.AccessToken {
	p := &n.subject.Proof
	return &exchange.AccessToken{
		User: user, Client: n.client.ID, Audience: d.Audience, Scopes: d.Scopes, Details: d.Details, Extra: d.Extra,
		IssuedAt: now, Expires: earlier(now.Add(n.client.AccessLifetime()), d.NotAfter),
		AuthTime: p.AuthTime, ACR: p.ACR, AMR: p.AMR, Actor: n.actor,
	}
}

// session is what each refresh will be decided by.
func (n *entry) session(user string, d *exchange.Decision, now time.Time) *exchange.Session {
	p := &n.subject.Proof
	var proof string
	if exchange.FirstPartyType(p.TokenType) {
		proof = p.TokenType
	}
	return &exchange.Session{
		User: user, Client: n.client.ID, Issuer: n.subject.Issuer, Subject: n.subject.ID, Proof: proof, Key: p.Key,
		Rules: d.Rules, Scopes: d.Scopes, Audience: d.Audience, Details: d.Details, Claims: n.subject.Claims,
		AuthTime: p.AuthTime, ACR: p.ACR, AMR: p.AMR, Actor: n.actor,
		Created: now, NotAfter: earlier(now.Add(n.client.Absolute()), d.NotAfter),
	}
}

// decided notes a decision, and answers its refusal.
func (t *Trail) decided(d exchange.Decision) error {
	t.Checks = append(t.Checks, d.Checks...)
	t.Rules = d.Rules
	if d.Err != nil {
		return d.Err
	}
	return nil
}

// earlier is the earlier of two times; a zero limit does not limit.
func earlier(t, limit time.Time) time.Time {
	if !limit.IsZero() && limit.Before(t) {
		return limit
	}
	return t
}
