package keys

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// state is the ring at a moment: immutable, replaced as a whole.
type state struct {
	members    []member // as stored
	published  []*key   // active first: it signed most of the tokens we verify
	active     *key
	jwks       []byte
	etag       string
	algorithms []string
}

var errNoActive = errors.New("no active signing key")

// newState makes the members of a ring ready. Keys that old has open are not
// opened again.
func newState(ring []member, old *state, s sealer) (*state, error) {
	out := &state{members: ring}
	for _, m := range ring {
		k, err := old.open(m, s)
		if err != nil {
			return nil, err
		}
		if m.State == StateActive {
			out.active = k
			out.published = slices.Insert(out.published, 0, k)
		} else {
			out.published = append(out.published, k)
		}
	}
	if out.active == nil {
		return nil, errNoActive
	}
	return out, out.publish()
}

// open makes a member ready. It takes the private half from s if that has it.
func (s *state) open(m member, with sealer) (*key, error) {
	if s != nil {
		for _, k := range s.published {
			if k.ID == m.ID && m.State != StateRetired {
				opened := *k
				opened.member = m
				return &opened, nil
			}
		}
	}
	return m.open(with)
}

// publish writes the JWK Set (RFC 7517 §5), once for all who will ask.
func (s *state) publish() error {
	var set jose.JSONWebKeySet
	for _, k := range s.published {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.public, KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"})
		if !slices.Contains(s.algorithms, k.Algorithm) {
			s.algorithms = append(s.algorithms, k.Algorithm)
		}
	}
	body, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("writing JWK set: %w", err)
	}
	sum := sha256.Sum256(body)
	s.jwks, s.etag = body, `"`+encoding.EncodeToString(sum[:16])+`"`
	return nil
}

// JWKS is the JWK Set of the published keys, next, active and retired, and its
// entity tag (RFC 9110 §8.8.3). The body is shared: it must not be changed.
func (r *Ring) JWKS() (body []byte, etag string) {
	s := r.state.Load()
	return s.jwks, s.etag
}

// Algorithms are those of the published keys, that of the active one first.
func (r *Ring) Algorithms() []string { return slices.Clone(r.state.Load().algorithms) }

// Info is what is told of a signing key.
type Info struct {
	ID        string    `json:"id"` // kid
	Algorithm string    `json:"algorithm"`
	State     string    `json:"state"` // StateNext, StateActive or StateRetired
	Created   time.Time `json:"created"`
	Activated time.Time `json:"activated,omitzero"`
	Retires   time.Time `json:"retires,omitzero"` // when a retired key is gone
}

// List tells of the published keys, the active one first.
func (r *Ring) List() []Info {
	var out []Info
	for _, k := range r.state.Load().published {
		out = append(out, Info{k.ID, k.Algorithm, k.State, k.Created, k.Activated, k.Retires})
	}
	return out
}
