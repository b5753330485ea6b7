package subject

import (
	"fmt"
	"net/netip"

	"cambio/exchange"
	"cambio/exchange/policy"
	"cambio/jwks"
)

// CompileIssuer answers a function that makes an issuer ready: its keys under
// the limits of base, where the registration does not set its own, and its
// rules. The shared secrets it gets are plain. It fetches nothing.
func CompileIssuer(base jwks.Options) func(exchange.Issuer) (*exchange.CompiledIssuer, []exchange.Problem) {
	return func(i exchange.Issuer) (*exchange.CompiledIssuer, []exchange.Problem) {
		rules, problems := policy.Compile(&i)
		set, err := jwks.New(source(i.URL, i.Keys), options(base, i.Algorithms, i.Keys))
		if err != nil {
			problems = append(problems, exchange.Problem{Path: "keys", Message: err.Error()})
		}
		if len(problems) > 0 {
			closeSet(set)
			return nil, problems
		}
		return &exchange.CompiledIssuer{Issuer: &i, Rules: rules, Keys: set}, nil
	}
}

// CompileClient answers a function that makes a client ready: the networks that
// its secret counts from, the keys that sign its requests, and its keys, if it
// authenticates by private_key_jwt.
func CompileClient(base jwks.Options) func(exchange.Client) (*exchange.CompiledClient, []exchange.Problem) {
	return func(c exchange.Client) (*exchange.CompiledClient, []exchange.Problem) {
		party := &exchange.CompiledClient{Client: &c}
		var problems []exchange.Problem
		if party.SecretNetworks, problems = networks(c.SecretAddresses); len(problems) > 0 {
			return nil, problems
		}
		if c.AuthKeys != nil {
			var err error
			if party.Signers, err = c.AuthKeys.Signers(); err != nil {
				return nil, []exchange.Problem{{Path: "authKeys.signingKeys", Message: err.Error()}}
			}
		}
		if c.Auth != exchange.AuthPrivateKeyJWT {
			return party, nil
		}
		if c.Keys == nil {
			return nil, []exchange.Problem{{Path: "keys", Message: "private_key_jwt needs the client's public keys"}}
		}
		set, err := jwks.New(source("", *c.Keys), options(base, nil, *c.Keys))
		if err != nil {
			return nil, []exchange.Problem{{Path: "keys", Message: err.Error()}}
		}
		party.Keys = set
		return party, nil
	}
}

// networks reads networks in CIDR notation. One that cannot be read must not
// become none, which would mean any.
func networks(texts []string) (all []netip.Prefix, problems []exchange.Problem) {
	for i, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			problems = append(problems, exchange.Problem{Path: fmt.Sprintf("secretAddresses[%d]", i), Message: err.Error()})
		}
		all = append(all, network)
	}
	return all, problems
}

func closeSet(set *jwks.Set) {
	if set != nil {
		set.Close()
	}
}

func source(url string, k exchange.Keys) jwks.Source {
	src := jwks.Source{
		Issuer: url, DiscoveryURL: k.DiscoveryURL, JWKSURL: k.JWKSURL, CertificatesURL: k.CertificatesURL,
		Certificates: k.Certificates, PinnedSPKI: k.PinnedSPKI, RevokedKeys: k.RevokedKeys,
		JWKS: text(k.JWKS), PEM: text(k.PEM), Anchors: text(k.Anchors),
	}
	for _, s := range k.Secrets {
		src.Secrets = append(src.Secrets, jwks.Secret{ID: s.ID, Value: []byte(s.Value)})
	}
	return src
}

// text keeps what is absent absent.
func text(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

func options(base jwks.Options, algorithms []string, k exchange.Keys) jwks.Options {
	o := base
	o.Algorithms = algorithms
	o.AllowMissingKID = k.AllowMissingKID
	o.AllowPrivateAddresses = base.AllowPrivateAddresses || k.AllowPrivateAddresses
	o.MaxAge = k.MaxAge.Or(base.MaxAge)
	o.MaxStale = k.MaxStale.Or(base.MaxStale)
	return o
}
