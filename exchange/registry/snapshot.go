package registry

import (
	"maps"
	"slices"

	"cambio/exchange"
)

// Snapshot is the compiled registrations at one revision. It does not change;
// what its methods return is shared and must not be changed either.
type Snapshot struct {
	revision uint64
	issuers  map[string]*issuer     // ID → issuer, including removed ones
	clients  map[string]*client     // ID → client, including removed ones
	types    map[string]*detailType // DetailType.Type → type

	// The rest is derived by index.
	byURL       map[string]*issuer // URL → registered issuer
	tokenSize   int                // the largest accepted token, in bytes
	origins     []string
	detailTypes []string
}

// Fault is a registration that is stored but cannot be used, for instance because
// a newer version is stricter. Applying a valid registration of the same ID
// replaces it.
type Fault struct {
	Kind     Kind
	ID       string
	Problems []exchange.Problem // paths are relative to the registration
}

// Revision returns the number of changes that led to the Snapshot.
func (s *Snapshot) Revision() uint64 { return s.revision }

// Issuer returns the issuer of an ID, nil if there is none that can be used.
func (s *Snapshot) Issuer(id string) *exchange.CompiledIssuer { return s.issuers[id].value() }

// IssuerByURL returns the issuer whose URL is url byte for byte, nil if there is
// none that can be used. No issuer has the empty URL.
func (s *Snapshot) IssuerByURL(url string) *exchange.CompiledIssuer { return s.byURL[url].value() }

// TokenSize returns the bytes of the largest token that any issuer accepts.
func (s *Snapshot) TokenSize() int { return s.tokenSize }

// Client returns the client of an ID, nil if there is none that can be used.
func (s *Snapshot) Client(id string) *exchange.CompiledClient { return s.clients[id].value() }

// DetailType returns a type of authorization_details, nil if there is none that
// can be used.
func (s *Snapshot) DetailType(name string) *exchange.DetailKind { return s.types[name].value() }

// Origins returns the browser origins of all clients, sorted.
func (s *Snapshot) Origins() []string { return s.origins }

// DetailTypes returns the types that a client may request, sorted (RFC 9396 §10).
func (s *Snapshot) DetailTypes() []string { return s.detailTypes }

// Faults returns the registrations that are known to be unusable, ordered by kind
// and ID. All are known after [Registry.Warm].
func (s *Snapshot) Faults() []Fault {
	return slices.Concat(faults(KindIssuer, s.issuers), faults(KindClient, s.clients), faults(KindDetailType, s.types))
}

// Manifest returns all registrations, faulty or not, in the order of their IDs. Of
// each secret it has only the ID. Applying it changes nothing.
func (s *Snapshot) Manifest() exchange.Manifest {
	var m exchange.Manifest
	for _, id := range sortedKeys(s.issuers) {
		if i := s.issuers[id]; i.active() {
			shown := i.record.Issuer
			shown.Keys = shown.Keys.WithSecrets(idsOnly)
			m.Issuers = append(m.Issuers, shown)
		}
	}
	for _, id := range sortedKeys(s.clients) {
		if c := s.clients[id]; c.active() {
			m.Clients = append(m.Clients, withoutMACs(c.record.Client))
		}
	}
	for _, name := range sortedKeys(s.types) {
		m.DetailTypes = append(m.DetailTypes, s.types[name].record.Type)
	}
	return m
}

// withoutMACs returns a client whose secrets have only IDs and times.
func withoutMACs(c exchange.Client) exchange.Client {
	c = withWebhookSecrets(c, idsOnly(webhookSecrets(c)))
	c.Secrets = slices.Clone(c.Secrets)
	for n := range c.Secrets {
		c.Secrets[n].MAC = nil
	}
	return c
}

// empty returns the Snapshot before the first change.
func empty() *Snapshot {
	return &Snapshot{tokenSize: exchange.DefaultMaxTokenSize, issuers: map[string]*issuer{}, clients: map[string]*client{}, types: map[string]*detailType{}}
}

// draft returns a copy to be changed and then indexed. Entries are shared.
func (s *Snapshot) draft() *Snapshot {
	return &Snapshot{
		revision: s.revision + 1,
		issuers:  maps.Clone(s.issuers),
		clients:  maps.Clone(s.clients),
		types:    maps.Clone(s.types),
	}
}

// index fills in what is derived from the entries. It compiles clients and types:
// there is little to a client, and there are few types.
func (s *Snapshot) index() *Snapshot {
	s.byURL, s.tokenSize = make(map[string]*issuer, len(s.issuers)), exchange.DefaultMaxTokenSize
	for _, i := range s.issuers {
		if !i.active() {
			continue
		}
		for _, url := range i.record.Issuer.AllURLs() {
			s.byURL[url] = i
		}
		s.tokenSize = max(s.tokenSize, i.record.Issuer.TokenSize())
	}
	for _, t := range s.types {
		t.value()
	}
	s.origins, s.detailTypes = nil, nil
	for _, c := range s.clients {
		if c.value() == nil {
			continue
		}
		s.origins = append(s.origins, c.record.Client.Origins...)
		for _, name := range c.record.Client.DetailTypes {
			if name == exchange.DetailCheckout || s.DetailType(name) != nil {
				s.detailTypes = append(s.detailTypes, name)
			}
		}
	}
	slices.Sort(s.origins)
	slices.Sort(s.detailTypes)
	s.origins, s.detailTypes = slices.Compact(s.origins), slices.Compact(s.detailTypes)
	return s
}

// release closes the keys that s holds and next does not.
func (s *Snapshot) release(next *Snapshot) {
	release(s.issuers, next.issuers, func(i *exchange.CompiledIssuer) exchange.KeySet { return i.Keys })
	release(s.clients, next.clients, func(c *exchange.CompiledClient) exchange.KeySet { return c.Keys })
}

func release[R record, C any](entries, next map[string]*entry[R, C], keys func(*C) exchange.KeySet) {
	for id, e := range entries {
		if next[id] == e {
			continue
		}
		old, kept := e.retire(), next[id].known().value
		if old != nil && (kept == nil || keys(kept) != keys(old)) {
			closeKeys(keys(old))
		}
	}
}
