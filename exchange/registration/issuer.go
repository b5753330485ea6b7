package registration

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"cambio/exchange"
)

// LintIssuer returns what is wrong with an issuer, with paths relative to it:
// keys.jwksURL, claimValidationRules[1].mode.
func LintIssuer(i *exchange.Issuer) []exchange.Problem {
	l := &linter{}
	l.id("id", i.ID)
	l.issuerURL(i)
	l.keys(&i.Keys)
	l.algorithms(i)
	l.audiences(i)
	l.each("tokenTypes", i.TokenTypes, l.tokenType)
	l.each("headerTypes", i.HeaderTypes, l.headerType)
	l.within("clockSkew", i.ClockSkew, time.Second, 5*time.Minute)
	l.within("maxLifetime", i.MaxLifetime, time.Minute, 30*24*time.Hour)
	l.within("maxSession", i.MaxSession, time.Minute, 365*24*time.Hour)
	l.tokenSize(i.MaxTokenSize)
	l.mappings(&i.ClaimMappings)
	l.rules(i.ClaimValidationRules)
	l.issuerScopes(i)
	return l.Problems
}

func (l *linter) issuerURL(i *exchange.Issuer) {
	l.each("urls", i.URLs, func(path, further string) { l.iss(path, further, &exchange.Keys{JWKS: "{}"}) }) // nothing is discovered below it
	switch {
	case i.URL == "" && len(i.URLs) > 0:
		l.Add("url", "is missing; write the first of urls as url: the issuer's keys are discovered below it, and its id stays bound to it")
		return
	case i.URL == "" && len(sources(&i.Keys)) == 0:
		l.Add("url", "is missing; write the issuer's iss, whose keys are then found by OIDC discovery, or set a source in keys")
		return
	case i.URL == "" && i.Keys.DiscoveryURL != "":
		l.Add("url", "is missing; a discovery document counts only if its issuer equals url")
		return
	case i.URL == "":
		return
	}
	l.iss("url", i.URL, &i.Keys)
}

// iss checks what is compared with the claim iss: any string (StringOrURI, RFC 7519
// §2), unless keys are discovered below it.
func (l *linter) iss(path, iss string, k *exchange.Keys) {
	switch _, document, ok := cutWellKnown(iss); {
	case strings.ContainsAny(iss, "{}"):
		l.Add(path, "%s has a placeholder; write your own tenant's issuer", exchange.Quote(iss))
	case ok && document:
		l.Add(path, "%s is the URL of a discovery document; write the value of issuer in that document, such as %s or the same with a slash at its end", exchange.Quote(iss), exchange.Quote(discoveredIssuer(iss)))
	case ok:
		l.Add(path, "%s is the URL of keys; write it as keys.jwksURL, and as url the iss of the tokens, byte for byte", exchange.Quote(iss))
	case len(sources(k)) == 0:
		l.discovered(path, iss, plainHTTP(k))
	default:
		known := len(l.Problems)
		l.exact(path, iss)
		if len(l.Problems) > known {
			return
		}
		l.discoveredSources(path, iss, k.Sources)
	}
}

// discoveredSources checks an iss below which some of several sources are discovered.
func (l *linter) discoveredSources(path, iss string, several []exchange.Keys) {
	for n := range several {
		if len(sources(&several[n])) == 0 {
			l.discovered(path, iss, plainHTTP(&several[n]))
			return
		}
	}
}

// discovered checks an iss below which the discovery document is. A problem does not
// suggest another iss: that would match no token.
func (l *linter) discovered(path, iss string, plainHTTP bool) {
	known := len(l.Problems)
	l.exact(path, iss)
	u, err := url.Parse(iss)
	const remedy = "set keys.discoveryURL, or another source of keys, and leave url as the iss of the tokens"
	switch {
	case len(l.Problems) > known:
	case err == nil && u.User != nil:
		l.Add(path, "%s has a user name or password in it, so no discovery document can be below it; %s", exchange.Quote(u.Redacted()), remedy)
	case err == nil && u.Scheme == "http" && u.Hostname() != "" && !plainHTTP:
		l.Add(path, "%s is not https, so nothing is fetched from it; for an issuer on a private network set keys.allowPrivateAddresses; otherwise %s", exchange.Quote(iss), remedy)
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || strings.ContainsAny(iss, "?# "):
		l.Add(path, "%s is no https URL without query and fragment, so no discovery document can be below it; %s", exchange.Quote(iss), remedy)
	}
}

// cutWellKnown finds the well-known location (RFC 8615) that a URL ends in, and
// whether it is that of a discovery document.
func cutWellKnown(iss string) (before string, document, ok bool) {
	before, name, ok := strings.Cut(iss, "/.well-known/")
	if !ok || !strings.Contains(before, "://") {
		return "", false, false
	}
	return before, strings.HasPrefix(name, "openid-configuration") || strings.HasPrefix(name, "oauth-authorization-server"), true
}

// discoveredIssuer returns the issuer whose discovery document a URL most likely is
// (OpenID Connect Discovery §4, RFC 8414 §3).
func discoveredIssuer(document string) string {
	before, name, _ := strings.Cut(document, "/.well-known/")
	name, _, _ = strings.Cut(name, "?")
	_, path, inserted := strings.Cut(strings.TrimSuffix(name, "/"), "/")
	if inserted {
		return before + "/" + path
	}
	return before
}

func (l *linter) audiences(i *exchange.Issuer) {
	if len(i.Audiences) == 0 {
		l.Add("audiences", "is missing; list the aud values that are meant for you, usually the client ID that you registered at the issuer")
	}
	l.each("audiences", i.Audiences, l.exact)
	l.each("authorizedParties", i.AuthorizedParties, l.exact)
	l.each("audienceClaim", i.AudienceClaim, func(path, name string) { l.oneOf(path, name, "aud", "azp", "client_id") })
	if i.ClientIDClaim && len(i.AudienceClaim) > 0 {
		l.Add("clientIdClaim", "is the earlier spelling of audienceClaim: client_id; remove it")
	}
}

func (l *linter) tokenSize(bytes int) {
	const least, most = 1 << 10, 64 << 10
	if bytes != 0 && (bytes < least || bytes > most) {
		l.Add("maxTokenSize", "%d is out of bounds: write %d to %d bytes, or nothing for %d", bytes, least, most, exchange.DefaultMaxTokenSize)
	}
}

func (l *linter) tokenType(path, word string) {
	if short, isURN := strings.CutPrefix(word, "urn:ietf:params:oauth:token-type:"); isURN {
		l.Add(path, "%s is the long form; write %s", exchange.Quote(word), exchange.Quote(short))
		return
	}
	l.oneOf(path, word, "id_token", "jwt", "access_token")
}

// headerType checks a typ value (RFC 7515 §4.1.9).
func (l *linter) headerType(path, typ string) {
	l.exact(path, typ)
	if strings.EqualFold(typ, "JWT") {
		l.Add(path, "%s is always accepted; remove it", exchange.Quote(typ))
	}
}

func (l *linter) issuerScopes(i *exchange.Issuer) {
	l.each("scopes", i.Scopes, l.scope)
	for n, rule := range i.ScopeRules {
		path := fmt.Sprintf("scopeRules[%d]", n)
		l.scope(path+".scope", rule.Scope)
		if slices.Contains(i.Scopes, rule.Scope) {
			l.Add(path+".scope", "%s is in scopes too, which gives it without condition; remove it from one", exchange.Quote(rule.Scope))
		}
		if rule.When == "" {
			l.Add(path+".when", "is missing; write a condition, or list the scope in scopes to give it to everyone")
		}
		l.message(path+".message", rule.Message)
		l.mode(path+".mode", rule.Mode)
	}
}

func (l *linter) mappings(m *exchange.ClaimMappings) {
	l.mapping("claimMappings.subject", m.Subject)
	l.mapping("claimMappings.email", m.Email)
	l.mapping("claimMappings.name", m.Name)
	seen := firsts{}
	for i, extra := range m.Extra {
		path := fmt.Sprintf("claimMappings.extra[%d]", i)
		l.extraKey(path+".key", extra.Key)
		l.onlyOnce(seen, path+".key", extra.Key)
		if extra.ValueExpression == "" {
			l.Add(path+".valueExpression", "is missing; write a CEL expression such as claims.groups")
		}
	}
}

func (l *linter) mapping(path string, m exchange.Mapping) {
	if m.Claim != "" && m.Expression != "" {
		l.Add(path, "has claim and expression; keep one of them")
	}
	l.label(path+".claim", m.Claim)
}

func (l *linter) extraKey(path, key string) {
	odd := strings.Trim(key, alphanumeric+"._:/-") != ""
	switch {
	case key == "":
		l.Add(path, "is missing; write the name of the claim in our access tokens")
	case odd || len(key) > longestName:
		l.Add(path, "%s must be at most %d letters, digits and any of . _ : / -", exchange.Quote(key), longestName)
	case exchange.ReservedClaim(key):
		l.Add(path, "%s is a claim that only the server writes; choose another name", exchange.Quote(key))
	}
}

func (l *linter) rules(rules []exchange.ClaimValidationRule) {
	names := firsts{}
	for i := range rules {
		path := fmt.Sprintf("claimValidationRules[%d]", i)
		l.rule(path, &rules[i])
		l.onlyOnce(names, path+".name", rules[i].Name)
	}
}

func (l *linter) rule(path string, r *exchange.ClaimValidationRule) {
	switch {
	case r.Expression != "" && (r.Claim != "" || r.RequiredValue != ""):
		l.Add(path, "has claim or requiredValue beside expression; keep one way of saying it")
	case r.Expression == "" && r.Claim == "":
		l.Add(path, "is empty; write claim and requiredValue, or expression")
	case r.Claim != "" && r.RequiredValue == "":
		l.Add(path+".requiredValue", "is missing; to ask only that the claim exists write expression: %s in claims", exchange.Quote(r.Claim))
	case r.Claim == "email_verified":
		l.Add(path+".claim", "email_verified is a boolean and requiredValue a string; write expression: claims.email_verified == true")
	}
	l.label(path+".name", r.Name)
	l.label(path+".claim", r.Claim)
	l.message(path+".message", r.Message)
	l.mode(path+".mode", r.Mode)
}

func (l *linter) mode(path string, m exchange.Mode) {
	if m != "" {
		l.oneOf(path, string(m), string(exchange.ModeEnforce), string(exchange.ModeAudit))
	}
}
