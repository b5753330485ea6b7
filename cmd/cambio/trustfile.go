package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"cambio/cmd/cambio/yamlfile"
	"cambio/exchange"
)

// trustFile is a manifest as an operator wrote it: what it declares, and where
// in the file each thing stands.
type trustFile struct {
	exchange.Manifest
	doc *yamlfile.Document
}

// readTrust reads a manifest from the file name, or from in when name is "-",
// and judges it as far as that needs no server.
func readTrust(name string, in io.Reader) (*trustFile, error) {
	doc, err := yamlfile.Read(name, in)
	if err != nil {
		return nil, err
	}
	t := &trustFile{doc: doc}
	if err := doc.Decode(&t.Manifest); err != nil {
		return nil, err
	}
	problems := t.readSecrets(filepath.Dir(name))
	return t, doc.Refuse(append(problems, check(&t.Manifest)...))
}

// readSecrets fills each Value from its ValueFile.
func (t *trustFile) readSecrets(dir string) []exchange.Problem {
	var problems []exchange.Problem
	for i := range t.Issuers {
		secrets := t.Issuers[i].Keys.Secrets
		for j := range secrets {
			if err := readSecret(&secrets[j], dir); err != nil {
				path := fmt.Sprintf("$.issuers[%d].keys.secrets[%d].valueFile", i, j)
				problems = append(problems, exchange.Problem{Path: path, Message: err.Error()})
			}
		}
	}
	for i := range t.Clients {
		checkout := t.Clients[i].Checkout
		if checkout == nil || checkout.Webhook == nil {
			continue
		}
		if err := readSecret(&checkout.Webhook.Secret, dir); err != nil {
			path := fmt.Sprintf("$.clients[%d].checkout.webhook.secret.valueFile", i)
			problems = append(problems, exchange.Problem{Path: path, Message: err.Error()})
		}
	}
	return problems
}

// readSecret drops one line break at the end, which editors add and no secret
// means.
func readSecret(s *exchange.SharedSecret, dir string) error {
	if s.ValueFile == "" {
		return nil
	}
	if s.Value != "" {
		return fmt.Errorf("value and valueFile are both set")
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
