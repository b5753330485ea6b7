package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// mayImport says which of our packages a package may import: arrows go down
// only. What is absent is forbidden; a new arrow is a decision.
var mayImport = map[string][]string{
	"exchange": {}, "jwks": {}, "storage": {},

	"jwks/strictjson":     {},
	"storage/bolt":        {"storage"},
	"storage/storagetest": {"storage"},
	"jwks/jwkstest":       {},
	// What sends mail knows nobody: it is told an address, a name and a code.
	"exchange/mail":          {},
	"exchange/mail/mailtest": {},
	"keys":                   {"storage"},
	"exchange/wallet":        {},

	"exchange/policy":   {"exchange"},
	"exchange/details":  {"exchange"},
	"exchange/registry": {"exchange", "storage"},
	// An issuer is only a name in a link: users need nothing of the registry.
	"exchange/users":     {"exchange", "storage"},
	"exchange/challenge": {"exchange", "exchange/wallet", "storage"},
	"exchange/checkout":  {"exchange", "storage"},
	"exchange/limit":     {},
	"exchange/audit":     {"exchange"},
	"exchange/session":   {"exchange", "storage", "keys"},
	"exchange/subject":   {"exchange", "exchange/policy", "exchange/challenge", "exchange/wallet", "jwks"},
	// The writes of several stores become one commit in a grant.
	"exchange/grant": {"exchange", "storage"},
	"exchange/server": {
		"exchange", "exchange/grant", "exchange/session", "exchange/challenge", "exchange/limit", "exchange/audit",
		"exchange/subject", // the signatures of requests
	},
	// What a change takes away and what ends with it are one commit.
	"exchange/admin": {
		"exchange", "exchange/registry", "exchange/users", "exchange/session", "exchange/audit", "keys", "storage",
	},
}

// everybodyMay are packages that any other may import: they only turn text into
// values, so there is one of each.
var everybodyMay = []string{"jwks/strictjson"}

// homes says where a third party may be imported, and why nowhere else.
var homes = []struct {
	module string
	in     []string // prefixes of our packages
	why    string
}{
	{"go.etcd.io/bbolt", []string{"storage/bolt"}, "engines are replaceable"},
	{"github.com/jackc/pgx", []string{"storage/postgres"}, "engines are replaceable"},
	{"cel.dev/", []string{"exchange/policy"}, "conditions are data elsewhere"},
	{"github.com/santhosh-tekuri/jsonschema", []string{"exchange/details"}, "schemas are data elsewhere"},
	{"github.com/go-jose", []string{"keys", "exchange/dpop", "exchange/session", "cmd/cambio/dev"}, "tokens are read in few places; op.Storage speaks it"},
	{"github.com/zitadel/oidc/v3/pkg/oidc", []string{"exchange/server", "cmd"}, "it is the protocol's words"},
	{"github.com/zitadel/oidc/v3/pkg/op", []string{"cmd/cambio/dev"}, "its error door and verifiers are not ours"},
	{"github.com/zitadel/oidc/v3/pkg/client", []string{"cmd"}, "it is the independent client"},
	{"github.com/spf13", []string{"cmd"}, "flags are read in main"},
	{"github.com/prometheus", []string{"exchange/server", "cmd"}, "deciding code counts nothing"},
	{"github.com/wneessen/go-mail", []string{"exchange/mail"}, "mail goes out in one place"},
	{"github.com/emersion", []string{"exchange/mail/mailtest", "cmd"}, "it is the SMTP server of tests and of the demo"},
	{"filippo.io/bigmod", []string{"jwks"}, "it is the arithmetic of one signature scheme"},
	{"github.com/decred", []string{"exchange/wallet"}, "its curve is that of chains"},
	{"github.com/mr-tron", []string{"exchange/wallet"}, "its digits are those of chains"},
	{"golang.org/x/crypto", []string{"exchange/wallet"}, "the standard library has what is not a chain's own"},
	{"net/http", []string{"cmd", "exchange/server", "exchange/admin", "exchange/wallet", "exchange/checkout", "jwks"}, "no grant sees HTTP"},
}

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "cambio/...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestArrowsGoDown(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < 15 {
		t.Fatalf("go list found %d packages", len(packages))
	}
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, "cambio/")
		for _, imported := range p.Imports {
			checkOurs(t, name, imported)
			checkTheirs(t, name, imported)
		}
	}
}

// What is allowed and not used is a hole in the map: the first to use it would
// decide something without saying so. What is not built yet may be planned.
func TestEveryArrowIsUsed(t *testing.T) {
	imports := map[string][]string{} // name → import paths
	for _, p := range listPackages(t) {
		imports[strings.TrimPrefix(p.ImportPath, "cambio/")] = p.Imports
	}
	for name, allowed := range mayImport {
		for _, ours := range allowed {
			if exists(imports, name) && exists(imports, ours) && !slices.Contains(imports[name], "cambio/"+ours) {
				t.Errorf("%s may import %s and does not", name, ours)
			}
		}
	}
	for _, h := range homes {
		for _, home := range h.in {
			if exists(imports, home) && !livesAt(imports, home, h.module) {
				t.Errorf("%s may import %s and does not", home, h.module)
			}
		}
	}
}

// exists says whether there is a package at home or below it.
func exists(imports map[string][]string, home string) bool {
	return livesAt(imports, home, "")
}

// livesAt says whether a package at home or below it imports a module.
func livesAt(imports map[string][]string, home, module string) bool {
	for name, imported := range imports {
		if !within(name, home) {
			continue
		}
		if module == "" || slices.ContainsFunc(imported, func(i string) bool { return strings.HasPrefix(i, module) }) {
			return true
		}
	}
	return false
}

func within(name, home string) bool { return name == home || strings.HasPrefix(name, home+"/") }

func checkOurs(t *testing.T, name, imported string) {
	ours, ok := strings.CutPrefix(imported, "cambio/")
	if !ok || strings.HasPrefix(name, "cmd/") {
		return
	}
	allowed, known := mayImport[name]
	if !known {
		t.Errorf("%s is not in the map of packages", name)
	}
	if !slices.Contains(allowed, ours) && !slices.Contains(everybodyMay, ours) {
		t.Errorf("%s imports %s, which is above it or beside it", name, ours)
	}
}

func checkTheirs(t *testing.T, name, imported string) {
	for _, h := range homes {
		if !strings.HasPrefix(imported, h.module) {
			continue
		}
		if !slices.ContainsFunc(h.in, func(home string) bool { return within(name, home) }) {
			t.Errorf("%s imports %s: %s", name, path.Clean(imported), h.why)
		}
	}
}
