package registry

import (
	"fmt"

	"cambio/exchange"
	"cambio/exchange/registration"
)

// checkIssuers reports what is wrong with declared issuers in view of the
// registered ones. What is wrong among the declared ones is reported by
// registration.Lint.
func (p *planner) checkIssuers(declared []exchange.Issuer) {
	byURL := map[string]string{} // URL → ID of a registered issuer that stays
	for id, i := range p.before.issuers {
		if !p.declared[KindIssuer][id] && p.remains(KindIssuer, id) {
			for _, url := range i.record.Issuer.AllURLs() {
				byURL[url] = id
			}
		}
	}
	for n, i := range declared {
		path := fmt.Sprintf("$.issuers[%d]", n)
		if old := p.before.issuers[i.ID]; old != nil && old.record.Issuer.URL != i.URL {
			p.Add(path+".url", "id %s is permanently bound to %s, because it is part of its users' identity; give this url another id", exchange.Quote(i.ID), exchange.Quote(old.record.Issuer.URL))
		}
		for _, url := range i.AllURLs() {
			if other, taken := byURL[url]; taken {
				p.Add(path+".url", "%s is the url of the registered issuer %s", exchange.Quote(url), other)
			}
		}
		for at, k := range i.Keys.Places() {
			for n, s := range k.Secrets {
				p.checkUnsealed(fmt.Sprintf("%s.%s.secrets[%d]", path, at, n), s)
			}
		}
	}
}

// checkClients reports clients that declare what the server makes, or that name
// issuers or detail types which will not be registered.
func (p *planner) checkClients(declared []exchange.Client) {
	for n, c := range declared {
		path := fmt.Sprintf("$.clients[%d]", n)
		for k, id := range c.Issuers {
			if !p.remains(KindIssuer, id) {
				p.Add(fmt.Sprintf("%s.issuers[%d]", path, k), "no issuer has the id %s%s", exchange.Quote(id), registration.DidYouMean(id, p.issuerIDs()))
			}
		}
		for k, name := range c.DetailTypes {
			if name != exchange.DetailCheckout && !p.remains(KindDetailType, name) {
				p.Add(fmt.Sprintf("%s.detailTypes[%d]", path, k), "no detail type has the name %s", exchange.Quote(name))
			}
		}
		for _, s := range webhookSecrets(c) {
			p.checkUnsealed(path+".checkout.webhook.secret", s)
		}
		for k, s := range c.Secrets {
			if len(s.MAC) > 0 {
				p.Add(fmt.Sprintf("%s.secrets[%d].mac", path, k), "is made by the server and cannot be declared")
			}
		}
	}
}

// checkUnsealed reports a declared seal.
func (p *planner) checkUnsealed(path string, s exchange.SharedSecret) {
	if len(s.Sealed) > 0 {
		p.Add(path+".sealed", "is made by the server and cannot be declared")
	}
}

// remains reports whether a registration will exist when the manifest is applied.
func (p *planner) remains(kind Kind, id string) bool {
	return p.declared[kind][id] || !p.prune && p.before.has(kind, id)
}

// issuerIDs returns the IDs of the issuers that will be registered.
func (p *planner) issuerIDs() []string {
	known := sortedKeys(p.declared[KindIssuer])
	for _, id := range sortedKeys(p.before.issuers) {
		if !p.declared[KindIssuer][id] && p.remains(KindIssuer, id) {
			known = append(known, id)
		}
	}
	return known
}
