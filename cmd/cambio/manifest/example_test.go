package manifest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"cambio/exchange"
)

// The manifest in the help is accepted once its key and its secret are real.
func TestExampleIsAccepted(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	dir := t.TempDir()
	for name, text := range map[string]string{
		"trust.yaml":     strings.Replace(Example, `"-----BEGIN PUBLIC KEY-----…"`, strconv.Quote(public), 1),
		"webhook.secret": rand.Text() + rand.Text(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Read(filepath.Join(dir, "trust.yaml"), nil); err != nil {
		t.Error(err)
	}
}

// The example has every field of a manifest.
func TestExampleIsComplete(t *testing.T) {
	names := map[string]bool{}
	fieldsOf(reflect.TypeFor[exchange.Manifest](), names)
	for name := range names {
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(Example) {
			t.Errorf("the example does not name %s", name)
		}
	}
	if len(names) < 60 {
		t.Errorf("found %d fields", len(names))
	}
}

// fieldsOf collects the YAML names of a type and of its fields.
func fieldsOf(typ reflect.Type, names map[string]bool) {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice:
		fieldsOf(typ.Elem(), names)
	case reflect.Struct:
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if name != "" && name != "-" {
				names[name] = true
				if f.Type != reflect.TypeFor[[]exchange.Keys]() { // which has the fields of what holds it
					fieldsOf(f.Type, names)
				}
			}
		}
	}
}
