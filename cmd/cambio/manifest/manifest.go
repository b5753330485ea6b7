// Package manifest reads the files in which operators declare issuers, clients and
// types of authorization_details, and checks them as far as that needs no
// server.
package manifest

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cambio/cmd/cambio/yamlfile"
	"cambio/exchange"
	"cambio/exchange/details"
	"cambio/exchange/registration"
	"cambio/exchange/subject"
	"cambio/jwks"
)

// Example is a manifest that shows every field.
//
//go:embed example.yaml
var Example string

// File is a manifest as an operator wrote it: what it declares, and the place of
// each value in the file.
type File struct {
	exchange.Manifest
	doc *yamlfile.Document
}

// Read reads the manifest in the file with a name, or from in if the name is "-".
// Problems are yamlfile.Errors. A manifest without any list, such as an empty
// file, is refused: pruning by it would remove everything. Nothing is fetched.
func Read(name string, in io.Reader) (*File, error) {
	doc, err := yamlfile.Read(name, in)
	if err != nil {
		return nil, err
	}
	f := &File{doc: doc}
	if err := doc.Decode(&f.Manifest); err != nil {
		return nil, err
	}
	if f.Issuers == nil && f.Clients == nil && f.DetailTypes == nil {
		return nil, fmt.Errorf("%s declares nothing; to remove all that is registered, write empty lists: issuers: [], clients: [], detailTypes: []", name)
	}
	problems := f.readSecrets(filepath.Dir(name))
	return f, f.Refuse(append(problems, check(&f.Manifest)...))
}

// Refuse returns an error that places problems found elsewhere, such as by a
// server, in the file. It returns nil if there are none.
func (f *File) Refuse(problems []exchange.Problem) error { return f.doc.Refuse(problems) }

// Warnings returns what the file is likely not meant to say, at its places.
func (f *File) Warnings() yamlfile.Errors {
	var all yamlfile.Errors
	for _, p := range registration.Warnings(&f.Manifest) {
		all = append(all, f.doc.Locate(p))
	}
	return all
}

// RefuseReferences returns an error if clients name issuers or detail types that
// the file does not declare, as is wrong where the file stands alone.
func (f *File) RefuseReferences() error { return f.Refuse(references(&f.Manifest)) }

// secretsOf yields the shared secrets in a manifest with their paths.
func secretsOf(m *exchange.Manifest) iter.Seq2[string, *exchange.SharedSecret] {
	return func(yield func(string, *exchange.SharedSecret) bool) {
		for n, i := range m.Issuers {
			for at, source := range i.Keys.Places() {
				for k := range source.Secrets {
					if !yield(fmt.Sprintf("$.issuers[%d].%s.secrets[%d]", n, at, k), &source.Secrets[k]) {
						return
					}
				}
			}
		}
		for n, c := range m.Clients {
			if c.Checkout == nil || c.Checkout.Webhook == nil {
				continue
			}
			if !yield(fmt.Sprintf("$.clients[%d].checkout.webhook.secret", n), &c.Checkout.Webhook.Secret) {
				return
			}
		}
	}
}

// readSecrets fills each Value from its ValueFile.
func (f *File) readSecrets(dir string) exchange.Problems {
	var problems exchange.Problems
	for path, s := range secretsOf(&f.Manifest) {
		if err := readSecret(s, dir); err != nil {
			problems.Add(path+".valueFile", "%s", err)
		}
	}
	return problems
}

// readSecret drops one line break at the end, which editors add and which is not
// part of the secret.
func readSecret(s *exchange.SharedSecret, dir string) error {
	if s.ValueFile == "" {
		return nil
	}
	if s.Value != "" {
		return errors.New("value and valueFile are both set; remove one")
	}
	name := s.ValueFile
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	s.Value = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if s.Value == "" { // a server would keep the secret that the file was to replace
		return fmt.Errorf("%s is empty; make a secret with: openssl rand -hex 32", name)
	}
	s.ValueFile = ""
	return nil
}

// check returns what is wrong with a manifest, as far as that needs no server:
// conditions are compiled and keys in the file are parsed; nothing is fetched.
func check(m *exchange.Manifest) []exchange.Problem {
	c := checker{slices.DeleteFunc(registration.Lint(m), keptByServer(m))}
	issuer, client := subject.CompileIssuer(jwks.Options{}), subject.CompileClient(jwks.Options{})
	for n, i := range m.Issuers {
		if byIDAlone(i.Keys.AllSecrets()) {
			continue
		}
		c.compile(fmt.Sprintf("$.issuers[%d]", n), func() []exchange.Problem {
			compiled, problems := issuer(withIDs(i))
			if compiled != nil {
				compiled.Keys.Close()
			}
			return problems
		})
	}
	for n, declared := range m.Clients {
		c.compile(fmt.Sprintf("$.clients[%d]", n), func() []exchange.Problem {
			compiled, problems := client(declared)
			if compiled != nil && compiled.Keys != nil {
				compiled.Keys.Close()
			}
			return problems
		})
	}
	for n, t := range m.DetailTypes {
		c.compile(fmt.Sprintf("$.detailTypes[%d]", n), func() []exchange.Problem {
			_, problems := details.Compile(t)
			return problems
		})
	}
	return c.Problems
}

type checker struct{ exchange.Problems }

// compile adds the problems of what is declared at path. If some were found there
// already, compiling would report the same ones in other words.
func (c *checker) compile(path string, problems func() []exchange.Problem) {
	if !slices.ContainsFunc(c.Problems, func(p exchange.Problem) bool { return strings.HasPrefix(p.Path, path) }) {
		c.AddBelow(path, problems())
	}
}

// references returns the issuers and detail types that clients name and a
// manifest does not declare.
func references(m *exchange.Manifest) []exchange.Problem {
	var problems exchange.Problems
	for n, c := range m.Clients {
		for k, id := range c.Issuers {
			if !slices.ContainsFunc(m.Issuers, func(i exchange.Issuer) bool { return i.ID == id }) {
				problems.Add(fmt.Sprintf("$.clients[%d].issuers[%d]", n, k), "no issuer has the id %s", exchange.Quote(id))
			}
		}
		for k, name := range c.DetailTypes {
			declared := func(t exchange.DetailType) bool { return t.Type == name }
			if name != exchange.DetailCheckout && !slices.ContainsFunc(m.DetailTypes, declared) {
				problems.Add(fmt.Sprintf("$.clients[%d].detailTypes[%d]", n, k), "no detail type is called %s", exchange.Quote(name))
			}
		}
	}
	return problems
}

// keptByServer returns a function that reports whether a problem is the missing
// value of a secret with an ID: a server that has a secret with that ID keeps it.
func keptByServer(m *exchange.Manifest) func(exchange.Problem) bool {
	kept := map[string]bool{}
	for path, s := range secretsOf(m) {
		kept[path+".value"] = s.ID != "" && s.Value == ""
	}
	return func(p exchange.Problem) bool { return kept[p.Path] }
}

func byIDAlone(secrets []exchange.SharedSecret) bool {
	return slices.ContainsFunc(secrets, func(s exchange.SharedSecret) bool { return s.Value == "" })
}

// withIDs gives shared secrets without an ID one, as the server does.
func withIDs(i exchange.Issuer) exchange.Issuer {
	i.Keys = i.Keys.WithSecrets(func(secrets []exchange.SharedSecret) []exchange.SharedSecret {
		secrets = slices.Clone(secrets)
		for n := range secrets {
			secrets[n].ID = cmp.Or(secrets[n].ID, fmt.Sprint(n))
		}
		return secrets
	})
	return i
}
