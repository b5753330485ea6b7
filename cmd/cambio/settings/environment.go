package settings

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"

	"cambio/cmd/cambio/yamlfile"
	"cambio/exchange/registration"
)

// clientVariables are read by the commands that call the admin API.
var clientVariables = []string{envPrefix + "ADMIN", envPrefix + "ADMIN_NAME"}

// serviceVariable matches the variables that Kubernetes and Docker set in every
// container for a service whose name begins with cambio.
var serviceVariable = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)

// serviceURL matches the value of such a variable's CAMBIO_PORT.
var serviceURL = regexp.MustCompile(`^(tcp|udp|sctp)://`)

// refuseUnknown returns an error for each variable that begins like a setting's and
// is none: a misspelt setting would silently have its default.
func refuseUnknown(vars map[string]string, fields []env.FieldParams) error {
	known := slices.Clone(clientVariables)
	for _, f := range fields {
		known = append(known, f.Key)
	}
	var all yamlfile.Errors
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		value := vars[name]
		ofService := serviceVariable.MatchString(name) || strings.HasSuffix(name, "_PORT") && serviceURL.MatchString(value)
		if !strings.HasPrefix(strings.ToUpper(name), envPrefix) || value == "" || ofService || slices.Contains(known, name) {
			continue
		}
		all = append(all, yamlfile.Error{
			Place: "environment variable " + name, Message: "is no setting" + registration.DidYouMean(strings.ToUpper(name), known),
			Hint: "see all: cambio docs settings",
		})
	}
	if all == nil {
		return nil
	}
	return all
}
