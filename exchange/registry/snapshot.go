package registry

import (
	"maps"
	"slices"

	"cambio/exchange"
)

// Snapshot is the issuers, clients and detail types at one revision, made ready. It does not
// change; what its methods return is shared and must not be changed either.
type Snapshot struct {
	revision uint64
	issuers  map[string]*issuer // ID → issuer, removed ones too
	clients  map[string]*client // ID → client
	types    map[string]*detailType
	byURL    map[string]*issuer // URL → issuer, only those that count
	origins  []string
	asked    []string // see [Snapshot.DetailTypes]
}

// client is a record and what was compiled of it. CompiledClient is compiled with the
// secrets of the day; a change of only these keeps the keys.
type client struct {
	record   clientRecord
	compiled *exchange.CompiledClient // whose Keys it uses; nil when it does not compile
	party    *exchange.CompiledClient
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
func (s *Snapshot) Issuer(id string) *exchange.CompiledIssuer {
	return s.issuers[id].ready().trust
}

// IssuerByURL is the issuer whose URL is url byte for byte, nil if there is
// none that can be used. No issuer has the empty URL.
func (s *Snapshot) IssuerByURL(url string) *exchange.CompiledIssuer {
	return s.byURL[url].ready().trust
}

// Client is the client of an ID, nil if there is none that can be used.
func (s *Snapshot) Client(id string) *exchange.CompiledClient {
	if c := s.clients[id]; c != nil {
		return c.party
	}
	return nil
}

// Origins are the browser origins of all clients, sorted.
func (s *Snapshot) Origins() []string { return s.origins }

// Faults are the registrations that are known not to be usable, in the order
// of kind and ID. All are known after [Registry.Warm].
func (s *Snapshot) Faults() []Fault {
	var out []Fault
	for _, id := range ids(s.issuers) {
		if problems := s.issuers[id].faults(); len(problems) > 0 {
			out = append(out, Fault{KindIssuer, id, problems})
		}
	}
	for _, id := range ids(s.clients) {
		if c := s.clients[id]; len(c.problems) > 0 {
			out = append(out, Fault{KindClient, id, c.problems})
		}
	}
	for _, name := range ids(s.types) {
		if t := s.types[name]; len(t.problems) > 0 {
			out = append(out, Fault{KindDetailType, name, t.problems})
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
	for _, name := range ids(s.types) {
		m.DetailTypes = append(m.DetailTypes, s.types[name].record.Type)
	}
	return m
}

// nothing is what is registered before the first change.
func nothing() *Snapshot {
	return &Snapshot{issuers: map[string]*issuer{}, clients: map[string]*client{}, types: map[string]*detailType{}}
}

// draft is a copy to change and then [Snapshot.index]. Entries are shared.
func (s *Snapshot) draft() *Snapshot {
	return &Snapshot{
		revision: s.revision + 1,
		issuers:  maps.Clone(s.issuers),
		clients:  maps.Clone(s.clients),
		types:    maps.Clone(s.types),
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
	s.asked = s.askedTypes()
	return s
}

// release closes the keys that s holds and other does not.
func (s *Snapshot) release(other *Snapshot) {
	for id, i := range s.issuers {
		if other.issuers[id] != i {
			i.close()
		}
	}
	for id, c := range s.clients {
		if o := other.clients[id]; c.compiled != nil && (o == nil || o.compiled != c.compiled) {
			closeKeys(c.compiled.Keys)
		}
	}
}
