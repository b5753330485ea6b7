package registry

import (
	"iter"
	"maps"
	"slices"

	"cambio/exchange"
)

// Snapshot is the issuers and clients at one revision, made ready. It does not
// change; what its methods return is shared and must not be changed either.
type Snapshot struct {
	revision uint64
	issuers  map[string]*issuer // ID → issuer, removed ones too
	clients  map[string]*client // ID → client
	byURL    map[string]*issuer // URL → issuer, only those that count
	origins  []string
}

// issuer is a record and what was compiled of it. An issuer that was removed
// or does not compile has no trust, so nobody gets in through it.
type issuer struct {
	record   issuerRecord
	trust    *exchange.Trust
	problems []exchange.Problem
}

func (i *issuer) registered() bool { return i != nil && i.record.Removed.IsZero() }

// client is a record and what was compiled of it. Party is compiled with the
// secrets of the day; a change of only these keeps the keys.
type client struct {
	record   clientRecord
	compiled *exchange.Party // whose Keys it uses; nil when it does not compile
	party    *exchange.Party
	problems []exchange.Problem
}

// Fault is a registration that is in the store but cannot be used, for
// instance because a newer version is stricter. Applying a sound registration
// of the same ID mends it.
type Fault struct {
	Kind     Kind
	ID       string
	Problems []exchange.Problem // paths are relative to the registration
}

// Revision is the number of changes that led here.
func (s *Snapshot) Revision() uint64 { return s.revision }

// Issuer is the issuer of an ID, nil if there is none that can be used.
func (s *Snapshot) Issuer(id string) *exchange.Trust {
	if i := s.issuers[id]; i != nil {
		return i.trust
	}
	return nil
}

// IssuerByURL is the issuer whose URL is url byte for byte, nil if there is
// none that can be used. No issuer has the empty URL.
func (s *Snapshot) IssuerByURL(url string) *exchange.Trust {
	if i := s.byURL[url]; i != nil {
		return i.trust
	}
	return nil
}

// Client is the client of an ID, nil if there is none that can be used.
func (s *Snapshot) Client(id string) *exchange.Party {
	if c := s.clients[id]; c != nil {
		return c.party
	}
	return nil
}

// Origins are the browser origins of all clients, sorted.
func (s *Snapshot) Origins() []string { return s.origins }

// Issuers yields the issuers that can be used, in the order of their IDs.
func (s *Snapshot) Issuers() iter.Seq[*exchange.Trust] {
	return func(yield func(*exchange.Trust) bool) {
		for _, id := range ids(s.issuers) {
			if t := s.issuers[id].trust; t != nil && !yield(t) {
				return
			}
		}
	}
}

// Clients yields the clients that can be used, in the order of their IDs.
func (s *Snapshot) Clients() iter.Seq[*exchange.Party] {
	return func(yield func(*exchange.Party) bool) {
		for _, id := range ids(s.clients) {
			if p := s.clients[id].party; p != nil && !yield(p) {
				return
			}
		}
	}
}

// Faults are the registrations that cannot be used, in the order of kind and ID.
func (s *Snapshot) Faults() []Fault {
	var out []Fault
	for _, id := range ids(s.issuers) {
		if i := s.issuers[id]; len(i.problems) > 0 {
			out = append(out, Fault{KindIssuer, id, i.problems})
		}
	}
	for _, id := range ids(s.clients) {
		if c := s.clients[id]; len(c.problems) > 0 {
			out = append(out, Fault{KindClient, id, c.problems})
		}
	}
	return out
}

// Manifest is what is registered, faulty or not, in the order of IDs and
// without a secret: of each there is its ID. Applying it changes nothing.
func (s *Snapshot) Manifest() exchange.Manifest {
	var m exchange.Manifest
	for _, id := range ids(s.issuers) {
		if i := s.issuers[id]; i.registered() {
			m.Issuers = append(m.Issuers, withoutSecrets(i.record.Issuer))
		}
	}
	for _, id := range ids(s.clients) {
		m.Clients = append(m.Clients, withoutMACs(s.clients[id].record.Client))
	}
	return m
}

// nothing is what is registered before the first change.
func nothing() *Snapshot {
	return &Snapshot{issuers: map[string]*issuer{}, clients: map[string]*client{}}
}

// draft is a copy to change and then [Snapshot.index]. Entries are shared.
func (s *Snapshot) draft() *Snapshot {
	return &Snapshot{
		revision: s.revision + 1,
		issuers:  maps.Clone(s.issuers),
		clients:  maps.Clone(s.clients),
	}
}

// index derives what is derived from the entries.
func (s *Snapshot) index() *Snapshot {
	s.byURL = make(map[string]*issuer, len(s.issuers))
	for _, i := range s.issuers {
		if url := i.record.Issuer.URL; url != "" && i.registered() {
			s.byURL[url] = i
		}
	}
	s.origins = nil
	for _, c := range s.clients {
		if c.party != nil {
			s.origins = append(s.origins, c.record.Client.Origins...)
		}
	}
	slices.Sort(s.origins)
	s.origins = slices.Compact(s.origins)
	return s
}

// release closes the keys that s holds and other does not.
func (s *Snapshot) release(other *Snapshot) {
	for id, i := range s.issuers {
		if o := other.issuers[id]; i.trust != nil && i.trust.Keys != nil && (o == nil || o.trust != i.trust) {
			i.trust.Keys.Close()
		}
	}
	for id, c := range s.clients {
		if o := other.clients[id]; c.compiled != nil && c.compiled.Keys != nil && (o == nil || o.compiled != c.compiled) {
			c.compiled.Keys.Close()
		}
	}
}
