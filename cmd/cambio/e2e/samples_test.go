package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cambio/exchange"
	"cambio/jwks/jwkstest"
)

// sample returns the README's code that verifies access tokens in a language, for
// the given issuer and audience.
func sample(t *testing.T, language, issuer, audience string) string {
	t.Helper()
	blocks := samplesIn(t, "../../../README.md", "Verify access tokens in your API", language)
	return strings.NewReplacer("https://login.example.com", issuer, "https://api.example.com", audience).Replace(blocks[0])
}

// samplesOfProofs returns the code in a language below a heading of `cambio docs
// proofs`.
func samplesOfProofs(t *testing.T, heading, language string) []string {
	t.Helper()
	return samplesIn(t, "../docs/proofs.md", heading, language)
}

// samplesIn returns the code in a language below a heading of a document.
func samplesIn(t *testing.T, document, heading, language string) (code []string) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "# "+heading+"\n")
	section = regexp.MustCompile("\n##").Split(section, 2)[0]
	for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(section, -1) {
		code = append(code, block[1])
	}
	if len(code) == 0 {
		t.Fatalf("%s has no %s in %q", document, language, heading)
	}
	return code
}

// apiInGo is a program around the README's sample that prints 200 or 401.
const apiInGo = `package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

func serve(w http.ResponseWriter, r *http.Request, token string) {
	%s
}

func main() {
	for _, token := range os.Args[1:] {
		w := httptest.NewRecorder()
		serve(w, httptest.NewRequest("GET", "/", nil), token)
		fmt.Println(w.Code)
	}
}
`

// samples returns tokens of which only the first is good at the API: the others
// are damaged, of another scope, a Cambio ID token, and the issuer's token.
func samples(t *testing.T, s *server, issuer *jwkstest.Issuer) []string {
	t.Helper()
	token := issuer.Sign(issuer.Claims("alice", app))
	good := s.exchange(token).granted(t)
	form := exchangeForm(token)
	form.Set("scope", "email")
	narrow := s.call("/oauth/token", form).granted(t)
	form.Set("requested_token_type", exchange.TypeIDToken)
	id := s.call("/oauth/token", form).granted(t)
	return []string{good.AccessToken, good.AccessToken + "A", narrow.AccessToken, id.AccessToken, token}
}

// TestSampleInGo compiles and runs the README's sample.
func TestSampleInGo(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, fmt.Appendf(nil, apiInGo, sample(t, "go", s.url, audience)), 0o600); err != nil {
		t.Fatal(err)
	}
	acceptsFirstAlone(t, append([]string{"go", "run", file}, samples(t, s, issuer)...))
}

// apiInPython is a program around the README's sample.
const apiInPython = `import sys, jwt

def serve(token):
%s

for token in sys.argv[1:]:
    try:
        serve(token)
        print(200)
    except (jwt.PyJWTError, PermissionError):
        print(401)
`

// TestSampleInPython runs the README's sample with Debian's Python, whose
// packages have PyJWT.
func TestSampleInPython(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import jwt, cryptography").Run(); err != nil {
		missing(t, fmt.Errorf("%s with PyJWT: %w", python, err))
	}
	s, issuer := world(t)
	code := "    " + strings.ReplaceAll(sample(t, "python", s.url, audience), "\n", "\n    ")
	acceptsFirstAlone(t, append([]string{python, "-c", fmt.Sprintf(apiInPython, code)}, samples(t, s, issuer)...))
}

// acceptsFirstAlone runs an API with the samples and requires it to accept only
// the first.
func acceptsFirstAlone(t *testing.T, command []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if want := []string{"200", "401", "401", "401", "401"}; err != nil || !slices.Equal(strings.Fields(string(out)), want) {
		t.Errorf("the sample printed %q, want %s: %v", out, want, err)
	}
}
