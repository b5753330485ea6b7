package subject

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"cambio/exchange"
	"cambio/exchange/policy"
	"cambio/jwks"
)

// CompileIssuer returns a function that compiles an issuer: its rules, and its keys
// under the limits of base unless the registration sets its own. Shared secrets
// are passed in plain text. It fetches nothing.
func CompileIssuer(base jwks.Options) func(exchange.Issuer) (*exchange.CompiledIssuer, []exchange.Problem) {
	return func(i exchange.Issuer) (*exchange.CompiledIssuer, []exchange.Problem) {
		rules, found := policy.Compile(&i)
		problems := exchange.Problems(found)
		set, err := issuerKeys(base, &i)
		if err != nil {
			problems.Add("keys", "%v", err)
			return nil, problems
		}
		if len(problems) > 0 {
			set.Close()
			return nil, problems
		}
		return &exchange.CompiledIssuer{Issuer: &i, Rules: rules, Keys: set}, nil
	}
}

// CompileClient returns a function that compiles a client: the networks that may
// use its secret, the keys that sign its requests and, for private_key_jwt, the
// keys that sign its assertions.
func CompileClient(base jwks.Options) func(exchange.Client) (*exchange.CompiledClient, []exchange.Problem) {
	return func(c exchange.Client) (*exchange.CompiledClient, []exchange.Problem) {
		var problems exchange.Problems
		compiled := &exchange.CompiledClient{Client: &c, SecretNetworks: networks(c.SecretAddresses, &problems)}
		if c.AuthKeys != nil {
			var err error
			if compiled.Signers, err = c.AuthKeys.Signers(); err != nil {
				problems.Add("authKeys.signingKeys", "%v", err)
			}
		}
		switch {
		case c.Auth != exchange.AuthPrivateKeyJWT || len(problems) > 0:
		case c.Keys == nil:
			problems.Add("keys", "private_key_jwt needs the client's public keys")
		default:
			set, err := keysOf(base, "client "+c.ID, "", nil, *c.Keys)
			if err != nil {
				problems.Add("keys", "%v", err)
				break
			}
			compiled.Keys = set
		}
		if len(problems) > 0 {
			return nil, problems
		}
		return compiled, nil
	}
}

// networks parses networks in CIDR notation. An invalid one is a problem: leaving
// it out could leave an empty list, which allows any network.
func networks(cidrs []string, problems *exchange.Problems) (all []netip.Prefix) {
	for i, cidr := range cidrs {
		network, err := netip.ParsePrefix(cidr)
		if err != nil {
			problems.Add(fmt.Sprintf("secretAddresses[%d]", i), "%v", err)
		}
		all = append(all, network)
	}
	return all
}

// issuerKeys returns the keys of an issuer, which may come from several sources.
func issuerKeys(base jwks.Options, i *exchange.Issuer) (exchange.KeySet, error) {
	if len(i.Keys.Sources) == 0 {
		set, err := keysOf(base, i.ID, i.URL, i.Algorithms, i.Keys)
		if err != nil { // a nil *jwks.Set in the interface would not be nil
			return nil, err
		}
		return set, nil
	}
	var parts []jwks.Part
	for n, k := range i.Keys.Sources {
		set, err := keysOf(base, i.ID, i.URL, k.Algorithms, k)
		if err != nil {
			jwks.Join(base.Now, parts...).Close()
			return nil, fmt.Errorf("sources[%d]: %w", n, err)
		}
		parts = append(parts, jwks.Part{Set: set, Until: k.Until})
	}
	return jwks.Join(base.Now, parts...), nil
}

// keysOf returns the key set of one source; name is for logs and reports.
func keysOf(base jwks.Options, name, issuer string, algorithms []string, k exchange.Keys) (*jwks.Set, error) {
	opts, err := options(base, algorithms, k)
	if err != nil {
		return nil, err
	}
	opts.Name = name
	return jwks.New(source(issuer, k), opts)
}

func source(issuer string, k exchange.Keys) jwks.Source {
	src := jwks.Source{
		Issuer: issuer, DiscoveryURL: k.DiscoveryURL, JWKSURL: k.JWKSURL, CertificatesURL: k.CertificatesURL,
		Certificates: k.Certificates, PinnedSPKI: k.PinnedSPKI, RevokedKeys: k.RevokedKeys, Uses: k.Uses,
		JWKS: []byte(k.JWKS), PEM: []byte(k.PEM), Anchors: []byte(k.Anchors),
	}
	for _, s := range k.Secrets {
		src.Secrets = append(src.Secrets, jwks.Secret{ID: s.ID, Value: []byte(s.Value)})
	}
	return src
}

func options(base jwks.Options, algorithms []string, k exchange.Keys) (o jwks.Options, err error) {
	o = base
	o.Algorithms = algorithms
	o.AllowMissingKID = k.AllowMissingKID
	o.AllowPrivateAddresses = base.AllowPrivateAddresses || k.AllowPrivateAddresses
	o.MaxAge = k.MaxAge.Or(base.MaxAge)
	o.MaxStale = k.MaxStale.Or(base.MaxStale)
	o.Timeout = k.Timeout.Or(base.Timeout)
	o.CAFile, o.BearerTokenFile = k.CAFile, k.BearerTokenFile
	for _, cidr := range k.AllowAddresses {
		network, err := netip.ParsePrefix(cidr)
		if err != nil {
			return o, fmt.Errorf("allowAddresses: %w", err)
		}
		o.AllowAddresses = append(o.AllowAddresses, network)
	}
	if k.Proxy != "" {
		if o.Proxy, err = url.Parse(k.Proxy); err != nil {
			return o, errors.New("proxy: not a URL")
		}
	}
	return o, nil
}

// keySet verifies tokens, as *jwks.Set does. The keys of a client's namespace do
// not.
type keySet interface {
	Verify(ctx context.Context, jws *jwks.Token, now time.Time) (jwks.Verified, error)
}

// verify verifies the signature of a token.
func verify(ctx context.Context, keys exchange.KeySet, jws *jwks.Token, now time.Time) (jwks.Verified, error) {
	set, ok := keys.(keySet)
	if !ok {
		return jwks.Verified{}, &jwks.Error{Kind: jwks.KeyNotFound, Check: "keys", Want: "an issuer that signs tokens"}
	}
	return set.Verify(ctx, jws, now)
}

// reasons maps kinds of failures to the reasons that clients are told.
var reasons = map[jwks.Kind]exchange.Reason{
	jwks.Malformed:            exchange.ReasonSubjectTokenMalformed,
	jwks.TypeNotAccepted:      exchange.ReasonSubjectTokenTypeNotAccepted,
	jwks.AlgorithmNotAccepted: exchange.ReasonSubjectTokenAlgorithmNotAccepted,
	jwks.KeyNotFound:          exchange.ReasonKeyNotFound,
	jwks.SignatureInvalid:     exchange.ReasonSubjectTokenSignatureInvalid,
	jwks.Unavailable:          exchange.ReasonIssuerUnavailable,
	jwks.Overloaded:           exchange.ReasonOverloaded,
}

// refusal returns an error of package jwks as a refusal.
func refusal(err error) *exchange.Error {
	e, ok := errors.AsType[*jwks.Error](err)
	if !ok {
		return exchange.AsError(err)
	}
	reason, ok := reasons[e.Kind]
	if !ok {
		reason = exchange.ReasonInternal
	}
	return &exchange.Error{Reason: reason, RetryAfter: e.RetryAfter, Err: err}
}
