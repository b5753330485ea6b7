package exchange

import "fmt"

// Manifest declares the trusted issuers, the clients, and the types of
// authorization_details. `cambio apply -f trust.yaml` reads one.
type Manifest struct {
	Issuers []Issuer `json:"issuers,omitempty" yaml:"issuers,omitempty"`
	Clients []Client `json:"clients,omitempty" yaml:"clients,omitempty"`
	// DetailTypes are the types of authorization_details besides checkout.
	DetailTypes []DetailType `json:"detailTypes,omitempty" yaml:"detailTypes,omitempty"`
}

// Problem is something wrong with a registration. Path is a YAML path such as
// $.issuers[0].claimValidationRules[1].expression.
type Problem struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Problems collects problems.
type Problems []Problem

// Add adds a problem.
func (p *Problems) Add(path, format string, args ...any) {
	*p = append(*p, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// AddBelow adds problems whose paths are relative to path.
func (p *Problems) AddBelow(path string, found []Problem) {
	for _, f := range found {
		*p = append(*p, Problem{Path: path + "." + f.Path, Message: f.Message})
	}
}
