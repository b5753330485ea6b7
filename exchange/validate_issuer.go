package exchange

import (
	"fmt"
	"strings"
	"time"
)

// Validate says what is wrong with the registration by itself, with paths
// relative to it: keys.jwksURL, claimValidationRules[1].mode.
func (i *Issuer) Validate() []Problem {
	p := &problems{}
	p.id("id", i.ID)
	p.issuerURL(i)
	p.keys("keys", &i.Keys, i.Keys.AllowPrivateAddresses)
	p.algorithms(i)
	p.audiences(i)
	p.each("tokenTypes", i.TokenTypes, p.tokenType)
	p.each("headerTypes", i.HeaderTypes, p.headerType)
	p.within("clockSkew", i.ClockSkew, time.Second, 5*time.Minute)
	p.within("maxLifetime", i.MaxLifetime, time.Minute, 30*24*time.Hour)
	p.within("maxSession", i.MaxSession, time.Minute, 365*24*time.Hour)
	p.mappings(&i.ClaimMappings)
	p.rules(i.ClaimValidationRules)
	p.issuerScopes(i)
	return p.list
}

func (p *problems) issuerURL(i *Issuer) {
	switch sources := i.Keys.sources(); {
	case i.URL == "" && len(sources) == 0:
		p.add("url", "is missing; write the issuer's iss, whose keys are then found by OIDC discovery, or give keys a source of their own")
		return
	case i.URL == "" && i.Keys.DiscoveryURL != "":
		p.add("url", "is missing; a discovery document counts only if its issuer equals url")
		return
	case i.URL == "":
		return
	}
	switch u := p.endpoint("url", i.URL, i.Keys.AllowPrivateAddresses); {
	case u == nil:
	case strings.Contains(i.URL, "?"):
		p.add("url", "%s has a query; an issuer has none (OpenID Connect Core §2)", Quote(i.URL))
	case strings.ContainsAny(i.URL, "{}"):
		p.add("url", "%s has a placeholder; write your own tenant's issuer", Quote(i.URL))
	}
}

func (p *problems) audiences(i *Issuer) {
	if len(i.Audiences) == 0 {
		p.add("audiences", "is missing; list the aud values that are meant for you, usually the client ID that you registered at the issuer")
	}
	p.each("audiences", i.Audiences, p.exact)
	p.each("authorizedParties", i.AuthorizedParties, p.exact)
}

func (p *problems) tokenType(path, word string) {
	if short, isURN := strings.CutPrefix(word, typePrefix); isURN {
		p.add(path, "%s is the long form; write %s", Quote(word), Quote(short))
		return
	}
	p.oneOf(path, word, "id_token", "jwt", "access_token")
}

// headerType checks a typ value (RFC 7515 §4.1.9).
func (p *problems) headerType(path, typ string) {
	p.exact(path, typ)
	if strings.EqualFold(typ, "JWT") {
		p.add(path, "%s is always accepted; remove it", Quote(typ))
	}
}

func (p *problems) issuerScopes(i *Issuer) {
	p.each("scopes", i.Scopes, p.scope)
	for n, rule := range i.ScopeRules {
		path := fmt.Sprintf("scopeRules[%d]", n)
		p.scope(path+".scope", rule.Scope)
		if contains(i.Scopes, rule.Scope) {
			p.add(path+".scope", "%s is in scopes too, which gives it without condition; remove it from one", Quote(rule.Scope))
		}
		if rule.When == "" {
			p.add(path+".when", "is missing; write a condition, or list the scope in scopes to give it to everyone")
		}
		p.message(path+".message", rule.Message)
		p.mode(path+".mode", rule.Mode)
	}
}
