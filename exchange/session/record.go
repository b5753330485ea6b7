package session

import (
	"strconv"
	"time"

	"cambio/exchange"
)

// record is a session as it is kept: its birth, which does not change, and its
// turn, which each refresh replaces. They are one record because a turn that
// was lost on its own would make spent tokens good again.
type record struct {
	Session exchange.Session `json:"session"`
	Turn    turn             `json:"turn"`
}

// turn says how often the refresh token was exchanged and when last. Generation
// is that of the token that is good now; the first is 1.
type turn struct {
	Generation uint64    `json:"generation"`
	Turned     time.Time `json:"turned"`
	IdleUntil  time.Time `json:"idleUntil"`
}

// end is when the session is over unless it is refreshed before.
func (r *record) end() time.Time { return earlier(r.Turn.IdleUntil, r.Session.NotAfter) }

// AppendRecord implements [storage.RecordWriter]. An empty list is none.
func (r *record) AppendRecord(b []byte) ([]byte, error) {
	o := object{b: append(b, '{')}
	o.begin("session")
	o.session(&r.Session)
	o.end()
	o.begin("turn")
	o.name("generation")
	o.b = strconv.AppendUint(o.b, r.Turn.Generation, 10)
	o.instant("turned", r.Turn.Turned)
	o.instant("idleUntil", r.Turn.IdleUntil)
	o.end()
	o.end()
	return o.b, o.err
}

func (o *object) session(s *exchange.Session) {
	o.text("id", s.ID)
	o.text("user", s.User)
	o.text("client", s.Client)
	o.text("issuer", s.Issuer)
	o.text("subject", s.Subject)
	o.text("proof", s.Proof)
	o.text("key", s.Key)
	o.texts("rules", s.Rules)
	o.texts("scopes", s.Scopes)
	o.texts("audience", s.Audience)
	if len(s.Claims) > 0 {
		o.name("claims")
		o.claim("claims", s.Claims)
	}
	if s.AuthTime != 0 {
		o.number("authTime", s.AuthTime)
	}
	o.text("acr", s.ACR)
	o.texts("amr", s.AMR)
	if s.Actor != nil {
		o.value("actor", s.Actor)
	}
	if len(s.Details) > 0 {
		o.value("authorizationDetails", s.Details)
	}
	o.text("jkt", s.JKT)
	o.instant("created", s.Created)
	o.instant("notAfter", s.NotAfter)
}
