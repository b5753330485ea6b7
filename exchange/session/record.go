package session

import (
	"strconv"
	"time"

	"cambio/exchange"
	"cambio/jwks/strictjson"
)

// record is a session as it is stored: the creation data, which never changes,
// and the rotation state, which each refresh replaces. They are one record, since
// a session that lost its rotation state would accept spent tokens again.
type record struct {
	Session  exchange.Session `json:"session"`
	Rotation rotation         `json:"turn"`
}

// rotation is the state of the refresh token. Generation is that of the valid
// token; the first is 1.
type rotation struct {
	Generation uint64    `json:"generation"`
	Rotated    time.Time `json:"turned"` // created, for the first
	IdleUntil  time.Time `json:"idleUntil"`
}

// expires returns when the session expires unless it is refreshed before.
func (r *record) expires() time.Time {
	return exchange.Earlier(r.Rotation.IdleUntil, r.Session.NotAfter)
}

// AppendRecord implements [storage.RecordWriter]. It omits an empty list.
func (r *record) AppendRecord(to []byte) ([]byte, error) {
	b, err := appendSession(strictjson.Buffer(to).Begin().Key("session"), &r.Session)
	b = strconv.AppendUint(b.Key("turn").Begin().Key("generation"), r.Rotation.Generation, 10)
	b = b.Time("turned", r.Rotation.Rotated).Time("idleUntil", r.Rotation.IdleUntil).End()
	return b.End(), err
}

func appendSession(b strictjson.Buffer, s *exchange.Session) (_ strictjson.Buffer, err error) {
	b = b.Begin().OmitString("id", s.ID).OmitString("user", s.User).OmitString("client", s.Client)
	b = b.OmitString("issuer", s.Issuer).OmitString("subject", s.Subject).OmitString("proof", s.Proof)
	b = b.OmitString("key", s.Key).OmitStrings("rules", s.Rules).OmitStrings("scopes", s.Scopes)
	b = b.OmitStrings("audience", s.Audience).OmitString("acr", s.ACR).OmitStrings("amr", s.AMR).OmitString("jkt", s.JKT)
	if s.AuthTime != 0 {
		b = b.Int("authTime", s.AuthTime)
	}
	for _, m := range []struct {
		name  string
		value any
		empty bool
	}{
		{"claims", s.Claims, len(s.Claims) == 0},
		{"actor", s.Actor, s.Actor == nil},
		{"authorizationDetails", s.Details, len(s.Details) == 0},
	} {
		if m.empty {
			continue
		}
		if b, err = b.Value(m.name, m.value); err != nil {
			return b, err
		}
	}
	return b.Time("created", s.Created).Time("notAfter", s.NotAfter).End(), nil
}
