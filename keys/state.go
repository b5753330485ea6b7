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

// state is the ring in use: immutable, replaced as a whole.
type state struct {
	members    []member // as stored
	published  []*key   // active first: it signed most tokens
	active     *key
	jwks       []byte
	etag       string
	algorithms []string
}

var errNoActive = errors.New("no active signing key")

// newState opens the members of a ring, except those that old has open.
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

// open opens a member. It takes the private half from s, if that has it.
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

// publish marshals the JWK Set (RFC 7517 §5) once.
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
		return fmt.Errorf("marshalling the JWK Set: %w", err)
	}
	sum := sha256.Sum256(body)
	s.jwks, s.etag = body, `"`+encoding.EncodeToString(sum[:16])+`"`
	return nil
}

// JWKS returns the JWK Set of the published keys, next, active and retired, and its
// entity tag (RFC 9110 §8.8.3). The body is shared and must not be changed.
func (r *Ring) JWKS() (body []byte, etag string) {
	s := r.state.Load()
	return s.jwks, s.etag
}

// Algorithms returns those of the published keys, that of the active key first.
func (r *Ring) Algorithms() []string { return slices.Clone(r.state.Load().algorithms) }

// Info describes a signing key.
type Info struct {
	ID        string    `json:"id"` // kid
	Algorithm string    `json:"algorithm"`
	State     string    `json:"state"` // StateNext, StateActive or StateRetired
	Created   time.Time `json:"created"`
	Activated time.Time `json:"activated,omitzero"`
	Retires   time.Time `json:"retires,omitzero"` // when a retired key is removed
}

// List describes the published keys, the active key first.
func (r *Ring) List() []Info {
	var out []Info
	for _, k := range r.state.Load().published {
		out = append(out, Info{k.ID, k.Algorithm, k.State, k.Created, k.Activated, k.Retires})
	}
	return out
}
