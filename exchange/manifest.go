package exchange

// Manifest is what an operator declares: the issuers that are trusted and the
// clients that may call. `cambio apply -f trust.yaml` reads one.
type Manifest struct {
	Issuers []Issuer `json:"issuers,omitempty" yaml:"issuers,omitempty"`
	Clients []Client `json:"clients,omitempty" yaml:"clients,omitempty"`
}

// Problem is something wrong with a registration, and where: Path is a YAML
// path such as $.issuers[0].claimValidationRules[1].expression.
type Problem struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}
