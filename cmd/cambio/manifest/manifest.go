// Package manifest reads the files in which operators declare issuers, clients and
// types of authorization_details, and checks them as far as that needs no
// server.
package manifest

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"cambio/cmd/cambio/yamlfile"
	"cambio/exchange"
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
// Problems are yamlfile.Errors. Nothing is fetched.
func Read(name string, in io.Reader) (*File, error) {
	doc, err := yamlfile.Read(name, in)
	if err != nil {
		return nil, err
	}
	f := &File{doc: doc}
	if err := doc.Decode(&f.Manifest); err != nil {
		return nil, err
	}
	problems := f.readSecrets(filepath.Dir(name))
	return f, f.Refuse(append(problems, check(&f.Manifest)...))
}

// Refuse returns an error that places problems found elsewhere, such as by a
// server, in the file. It returns nil if there are none.
func (f *File) Refuse(problems []exchange.Problem) error { return f.doc.Refuse(problems) }

// RefuseReferences returns an error if clients name issuers or detail types that
// the file does not declare, as is wrong where the file stands alone.
func (f *File) RefuseReferences() error { return f.Refuse(references(&f.Manifest)) }

// readSecrets fills each Value from its ValueFile.
func (f *File) readSecrets(dir string) []exchange.Problem {
	var problems []exchange.Problem
	read := func(s *exchange.SharedSecret, path string) {
		if err := readSecret(s, dir); err != nil {
			problems = append(problems, exchange.Problem{Path: path + ".valueFile", Message: err.Error()})
		}
	}
	for i := range f.Issuers {
		secrets := f.Issuers[i].Keys.Secrets
		for j := range secrets {
			read(&secrets[j], fmt.Sprintf("$.issuers[%d].keys.secrets[%d]", i, j))
		}
	}
	for i := range f.Clients {
		if c := f.Clients[i].Checkout; c != nil && c.Webhook != nil {
			read(&c.Webhook.Secret, fmt.Sprintf("$.clients[%d].checkout.webhook.secret", i))
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
	s.Value = string(bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r")))
	s.ValueFile = ""
	return nil
}
