package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport lists the packages of this module that a package may import: imports
// go downwards only. What is absent is forbidden; a new import is a decision.
var mayImport = map[string][]string{
	"exchange": {}, "storage": {},

	"jwks":          {"jwks/document", "jwks/egress"},
	"jwks/document": {"jwks/egress"},
	"jwks/egress":   {},

	"jwks/strictjson":     {},
	"storage/bolt":        {"storage"},
	"storage/storagetest": {"storage"},
	"jwks/jwkstest":       {},
	// The sender of mail gets an address, a name and a code, and knows no user.
	"exchange/mail":          {"jwks/egress"},
	"exchange/mail/mailtest": {},
	"keys":                   {"storage"},
	"exchange/wallet":        {"jwks/egress"},

	"exchange/policy": {"exchange"},
	// What operators write is linted: manifests, and the schemas in them.
	"exchange/registration": {"exchange"},
	"exchange/details":      {"exchange", "exchange/registration"},
	"exchange/registry":     {"exchange", "exchange/registration", "storage"},
	// An issuer is only a name in a link: users need nothing of the registry.
	"exchange/users": {"exchange", "storage"},
	// What may be used once is recorded in the commit that depends on it.
	"exchange/replay":      {"exchange", "storage"},
	"exchange/idempotency": {"exchange", "storage"},
	// Signatures of requests are for one use.
	"exchange/keylogin":    {"exchange", "exchange/replay", "storage"},
	"exchange/walletlogin": {"exchange", "exchange/wallet", "storage"},
	"exchange/checkout":    {"exchange", "storage", "jwks/egress"},
	"exchange/limit":       {},
	"exchange/audit":       {"exchange", "exchange/limit"},
	"exchange/session":     {"exchange", "storage", "keys"},
	"exchange/subject":     {"exchange", "exchange/policy", "exchange/keylogin", "exchange/walletlogin", "exchange/wallet", "jwks", "jwks/strictjson"},
	// The writes of several stores become one commit in a grant.
	"exchange/grant": {"exchange", "storage"},
	"exchange/server": {
		"exchange", "exchange/server/discovery", "exchange/server/form", "exchange/server/forwarded", "exchange/grant", "exchange/session", "exchange/idempotency", "exchange/walletlogin", "exchange/limit", "exchange/audit",
		"exchange/subject", // the signatures of requests
		"jwks/egress",      // what waits for an outside party gives up the request's place
	},
	"exchange/server/form":      {"exchange"},
	"exchange/server/forwarded": {},
	"exchange/server/discovery": {"exchange"},
	// Endpoints are values that the pipeline in package server runs.
	"exchange/server/endpoint": {
		"exchange", "exchange/server", "exchange/grant", "exchange/session", "exchange/keylogin", "exchange/walletlogin",
		"exchange/subject", // the times of requests
	},
	// What a change takes away and what ends with it are one commit.
	"exchange/admin": {
		"exchange", "exchange/registration", "exchange/registry", "exchange/users", "exchange/session", "exchange/audit", "jwks/strictjson",
		"keys", "storage",
	},
	// It wires all parts, so that the program, the load harness and tests share one
	// wiring. No part imports it.
	"exchange/assembly": {
		"exchange", "exchange/admin", "exchange/audit", "exchange/checkout", "exchange/details", "exchange/grant",
		"exchange/idempotency", "exchange/keylogin", "exchange/limit", "exchange/mail", "exchange/registry", "exchange/replay",
		"exchange/server", "exchange/server/endpoint", "exchange/session", "exchange/subject", "exchange/users", "exchange/wallet",
		"exchange/walletlogin", "jwks", "keys", "storage",
	},
}

// shared lists the packages that every other may import: they only turn text into
// values, so there is one of each.
var shared = []string{"jwks/strictjson"}

// homes lists where a third party may be imported, and why in no other place.
var homes = []struct {
	module string
	in     []string // prefixes of packages of this module
	why    string
}{
	{"go.etcd.io/bbolt", []string{"storage/bolt"}, "engines are replaceable"},
	{"github.com/jackc/pgx", []string{"storage/postgres"}, "engines are replaceable"},
	{"cel.dev/", []string{"exchange/policy"}, "other packages use compiled conditions"},
	{"github.com/santhosh-tekuri/jsonschema", []string{"exchange/details"}, "other packages use compiled schemas"},
	{"github.com/go-jose", []string{"keys", "exchange/dpop", "cmd/cambio/dev"}, "tokens are parsed in few places; op.Storage has its types"},
	{"github.com/zitadel/oidc/v3/pkg/oidc", []string{"exchange/server", "cmd"}, "it is used for the names of the protocol"},
	{"github.com/zitadel/oidc/v3/pkg/op", []string{"cmd/cambio/dev"}, "its verifiers and error responses are not used"},
	{"github.com/zitadel/oidc/v3/pkg/client", []string{"cmd"}, "it is used as an independent client"},
	{"github.com/spf13", []string{"cmd"}, "flags are parsed by the program"},
	{"github.com/prometheus", []string{"exchange/server", "exchange/assembly", "cmd"}, "packages that decide have no metrics"},
	{"github.com/wneessen/go-mail", []string{"exchange/mail"}, "mail is sent in one place"},
	{"github.com/emersion", []string{"exchange/mail/mailtest", "cmd"}, "it is the SMTP server of tests and of the demo"},
	{"filippo.io/bigmod", []string{"jwks"}, "only RSA verification needs its arithmetic"},
	{"filippo.io/edwards25519", []string{"jwks", "exchange/wallet"}, "it is the curve of one signature scheme"},
	{"github.com/decred", []string{"exchange/wallet"}, "only chains use its curve"},
	{"github.com/mr-tron", []string{"exchange/wallet"}, "only chains use base58"},
	{"golang.org/x/crypto", []string{"exchange/wallet", "keys"}, "only chains use Keccak and RIPEMD-160; signatures are DER without reflection"},
	{"net/http", []string{"cmd", "exchange/server", "exchange/admin", "exchange/assembly", "exchange/wallet", "exchange/checkout", "exchange/mail/mailtest", "jwks"}, "no grant sees HTTP"},
}

// pkg is one package in the output of `go list`.
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

func TestImportsGoDown(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < 15 {
		t.Fatalf("go list found %d packages", len(packages))
	}
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, "cambio/")
		for _, imported := range p.Imports {
			checkModule(t, name, imported)
			checkThirdParty(t, name, imported)
		}
	}
}

// An import that is allowed and not used is a hole in the list: the first use of it
// would be a decision without a trace. Packages that do not exist yet may be listed.
func TestAllowedImportsAreUsed(t *testing.T) {
	imports := map[string][]string{} // name → import paths
	for _, p := range listPackages(t) {
		imports[strings.TrimPrefix(p.ImportPath, "cambio/")] = p.Imports
	}
	for name, allowed := range mayImport {
		for _, below := range allowed {
			if exists(imports, name) && exists(imports, below) && !slices.Contains(imports[name], "cambio/"+below) {
				t.Errorf("%s may import %s and does not", name, below)
			}
		}
	}
	for _, h := range homes {
		for _, home := range h.in {
			if exists(imports, home) && !usedAt(imports, home, h.module) {
				t.Errorf("%s may import %s and does not", home, h.module)
			}
		}
	}
}

// exists reports whether there is a package at home or below it.
func exists(imports map[string][]string, home string) bool {
	return usedAt(imports, home, "")
}

// usedAt reports whether a package at home or below it imports a module.
func usedAt(imports map[string][]string, home, module string) bool {
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

func checkModule(t *testing.T, name, imported string) {
	path, ok := strings.CutPrefix(imported, "cambio/")
	if !ok || strings.HasPrefix(name, "cmd/") {
		return
	}
	allowed, known := mayImport[name]
	if !known {
		t.Errorf("%s is not in the map of packages", name)
	}
	if !slices.Contains(allowed, path) && !slices.Contains(shared, path) {
		t.Errorf("%s imports %s, which is above it or beside it", name, path)
	}
}

func checkThirdParty(t *testing.T, name, imported string) {
	for _, h := range homes {
		if !strings.HasPrefix(imported, h.module) {
			continue
		}
		if !slices.ContainsFunc(h.in, func(home string) bool { return within(name, home) }) {
			t.Errorf("%s imports %s: %s", name, imported, h.why)
		}
	}
}
