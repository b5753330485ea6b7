package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cambio/exchange"
	"cambio/exchange/admin"
	"cambio/exchange/details"
	"cambio/exchange/subject"
	"cambio/jwks"
)

// check is what is wrong with a manifest, as far as that needs no server:
// conditions are compiled and keys in the file are read, nothing is fetched.
func check(m *exchange.Manifest) []exchange.Problem {
	problems := slices.DeleteFunc(m.Validate(), keptByServer(m))
	issuer, client := subject.CompileIssuer(jwks.Options{}), subject.CompileClient(jwks.Options{})
	for n, i := range m.Issuers {
		path := fmt.Sprintf("$.issuers[%d]", n)
		if named(problems, path) || byIDAlone(i.Keys.Secrets) {
			continue
		}
		trust, found := issuer(withIDs(i))
		problems = append(problems, below(path, found)...)
		if trust != nil {
			trust.Keys.Close()
		}
	}
	for n, c := range m.Clients {
		path := fmt.Sprintf("$.clients[%d]", n)
		if named(problems, path) {
			continue
		}
		party, found := client(c)
		problems = append(problems, below(path, found)...)
		if party != nil && party.Keys != nil {
			party.Keys.Close()
		}
	}
	for n, t := range m.DetailTypes {
		path := fmt.Sprintf("$.detailTypes[%d]", n)
		if named(problems, path) {
			continue
		}
		_, found := details.Compile(t)
		problems = append(problems, below(path, found)...)
	}
	return problems
}

// alone is what is wrong with a manifest that is all there is, beside what
// check finds: clients of issuers and of detail types that it does not have.
func alone(m *exchange.Manifest) []exchange.Problem {
	var problems []exchange.Problem
	for n, c := range m.Clients {
		for k, id := range c.Issuers {
			if !slices.ContainsFunc(m.Issuers, func(i exchange.Issuer) bool { return i.ID == id }) {
				path := fmt.Sprintf("$.clients[%d].issuers[%d]", n, k)
				problems = append(problems, exchange.Problem{Path: path, Message: "no issuer has the id " + exchange.Quote(id)})
			}
		}
		for k, name := range c.DetailTypes {
			there := func(t exchange.DetailType) bool { return t.Type == name }
			if name != exchange.DetailCheckout && !slices.ContainsFunc(m.DetailTypes, there) {
				path := fmt.Sprintf("$.clients[%d].detailTypes[%d]", n, k)
				problems = append(problems, exchange.Problem{Path: path, Message: "no detail type is called " + exchange.Quote(name)})
			}
		}
	}
	return problems
}

// keptByServer says whether a problem is the absence of a secret that is
// declared by its ID alone: a server that has one of that ID keeps it.
func keptByServer(m *exchange.Manifest) func(exchange.Problem) bool {
	return func(p exchange.Problem) bool {
		var i, s int
		var secret exchange.SharedSecret
		if n, _ := fmt.Sscanf(p.Path, "$.issuers[%d].keys.secrets[%d].value", &i, &s); n == 2 {
			secret = m.Issuers[i].Keys.Secrets[s]
		} else if n, _ := fmt.Sscanf(p.Path, "$.clients[%d]", &i); n == 1 && strings.HasSuffix(p.Path, ".checkout.webhook.secret.value") {
			secret = m.Clients[i].Checkout.Webhook.Secret
		}
		return secret.ID != "" && secret.Value == ""
	}
}

func byIDAlone(secrets []exchange.SharedSecret) bool {
	return slices.ContainsFunc(secrets, func(s exchange.SharedSecret) bool { return s.Value == "" })
}

// withIDs gives shared secrets the IDs that the server would make up.
func withIDs(i exchange.Issuer) exchange.Issuer {
	i.Keys.Secrets = slices.Clone(i.Keys.Secrets)
	for n := range i.Keys.Secrets {
		i.Keys.Secrets[n].ID = cmp.Or(i.Keys.Secrets[n].ID, fmt.Sprint(n))
	}
	return i
}

// named says whether something at or below path is known to be wrong: what is
// compiled there would say it again in other words.
func named(problems []exchange.Problem, path string) bool {
	return slices.ContainsFunc(problems, func(p exchange.Problem) bool { return strings.HasPrefix(p.Path, path) })
}

// below moves problems whose paths are relative to path.
func below(path string, problems []exchange.Problem) []exchange.Problem {
	for i := range problems {
		problems[i].Path = path + "." + problems[i].Path
	}
	return problems
}

// describeKeys shows the keys of a compiled issuer, and fetches them if need
// be.
func describeKeys(ctx context.Context, set exchange.KeySet) ([]admin.IssuerKey, error) {
	lister, ok := set.(interface {
		Keys(context.Context) ([]jwks.KeyInfo, error)
	})
	if !ok {
		return nil, errors.New("its keys cannot be listed")
	}
	keys, err := lister.Keys(ctx)
	out := make([]admin.IssuerKey, len(keys))
	for i, k := range keys {
		out[i] = admin.IssuerKey{
			KeyID: k.KeyID, Thumbprint: k.Thumbprint, Type: k.Type, Algorithm: k.Alg,
			Use: k.Use, NotAfter: k.NotAfter, Refused: k.Refused,
		}
	}
	return out, err
}
