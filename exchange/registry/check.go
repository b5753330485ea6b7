package registry

import (
	"fmt"

	"cambio/exchange"
)

// checkIssuers finds what is wrong with declared issuers in view of those that
// are registered. What is wrong among the declared ones is found by
// exchange.Manifest.Validate.
func (p *planner) checkIssuers(declared []exchange.Issuer) {
	byURL := map[string]string{} // URL → ID of a registered issuer that stays
	for id, i := range p.before.issuers {
		if i.registered() && !p.prune && !p.declared[KindIssuer][id] {
			byURL[i.record.Issuer.URL] = id
		}
	}
	for n, i := range declared {
		path := fmt.Sprintf("$.issuers[%d]", n)
		if old := p.before.issuers[i.ID]; old != nil && old.record.Issuer.URL != i.URL {
			p.add(path+".url", "id %s is bound to %s for good, because it is part of its users' identity; give this url another id", exchange.Quote(i.ID), exchange.Quote(old.record.Issuer.URL))
		}
		if other, taken := byURL[i.URL]; taken && i.URL != "" {
			p.add(path+".url", "%s is the url of the registered issuer %s", exchange.Quote(i.URL), other)
		}
		for k, s := range i.Keys.Secrets {
			if len(s.Sealed) > 0 {
				p.add(fmt.Sprintf("%s.keys.secrets[%d].sealed", path, k), "is made by the server and cannot be declared")
			}
		}
	}
}

// issuerIDs are the IDs of the issuers that will be registered.
func (p *planner) issuerIDs() []string {
	known := ids(p.declared[KindIssuer])
	for _, id := range ids(p.before.issuers) {
		if p.before.issuers[id].registered() && !p.prune && !p.declared[KindIssuer][id] {
			known = append(known, id)
		}
	}
	return known
}

// checkClients finds clients that name issuers which will not be registered.
func (p *planner) checkClients(declared []exchange.Client) {
	for n, c := range declared {
		for k, id := range c.Issuers {
			stays := p.before.issuers[id].registered() && !p.prune
			if !stays && !p.declared[KindIssuer][id] {
				p.add(fmt.Sprintf("$.clients[%d].issuers[%d]", n, k), "no issuer has the id %s%s", exchange.Quote(id), exchange.DidYouMean(id, p.issuerIDs()))
			}
		}
		path := fmt.Sprintf("$.clients[%d]", n)
		p.checkDetails(path, c)
		if hook := webhook(c); hook != nil && len(hook.Secret.Sealed) > 0 {
			p.add(path+".checkout.webhook.secret.sealed", "is made by the server and cannot be declared")
		}
		for k, s := range c.Secrets {
			if len(s.MAC) > 0 {
				p.add(fmt.Sprintf("$.clients[%d].secrets[%d].mac", n, k), "is made by the server and cannot be declared")
			}
		}
	}
}

func (p *planner) add(path, format string, args ...any) {
	p.problems = append(p.problems, exchange.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}
