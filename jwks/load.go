package jwks

import (
	"context"
	"fmt"

	"cambio/jwks/document"
	"cambio/jwks/egress"
)

// newLoader returns the function that fetches the keys of src.
func newLoader(src Source, opts Options) (func(context.Context) ([]parsed, error), error) {
	parseSet := func(data []byte) ([]parsed, error) { return parseJWKS(data, src.Uses...) }
	switch {
	case src.JWKSURL != "":
		return opts.loader("JWKSURL", src.JWKSURL, (*document.Source).Fetch, parseSet)
	case src.CertificatesURL != "":
		return opts.loader("CertificatesURL", src.CertificatesURL, (*document.Source).Fetch, parseCertificates)
	case src.Issuer == "":
		return nil, fieldf("Issuer", "discovery needs the issuer's URL")
	}
	// The document and the keys at its jwks_uri are one fetch, with one timeout.
	discover := func(d *document.Source, ctx context.Context) ([]byte, string, error) {
		return d.Discover(ctx, src.Issuer)
	}
	if src.DiscoveryURL != "" {
		return opts.loader("DiscoveryURL", src.DiscoveryURL, discover, parseSet)
	}
	return opts.loader("Issuer", document.DiscoveryURL(src.Issuer), discover, parseSet)
}

// loader returns the function that fetches keys from the URL in a field of the
// registration.
func (o *Options) loader(
	name, address string, fetch func(*document.Source, context.Context) ([]byte, string, error), parse func([]byte) ([]parsed, error),
) (func(context.Context) ([]parsed, error), error) {
	d, err := document.New(address, document.Options{
		Egress: egress.Options{Private: o.AllowPrivateAddresses, Allow: o.AllowAddresses, Proxy: o.Proxy, Timeout: o.Timeout},
		CAFile: o.CAFile, BearerTokenFile: o.BearerTokenFile, OwnFiles: o.OwnFiles,
	})
	if err != nil {
		return nil, field(name, err)
	}
	return func(ctx context.Context) ([]parsed, error) {
		body, at, err := fetch(d, ctx)
		if err != nil {
			return nil, err
		}
		all, err := parse(body)
		if err != nil {
			return nil, fmt.Errorf("reading keys of %s: %w", quote(at), err)
		}
		return all, nil
	}, nil
}
