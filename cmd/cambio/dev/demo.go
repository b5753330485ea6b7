package dev

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The clients that show the other ways in, beside the demo app.
const (
	BackendID = "demo-backend" // injects sessions and makes checkout tokens
	PartnerID = "demo-partner" // keeps a key for each user
	WalletsID = "demo-wallets" // opens sessions for wallets
)

// Demo is what those clients prove themselves by.
type Demo struct {
	BackendSecret string
	WalletsSecret string
}

// signingKeyFile is the demo partner's private key, in the folder.
const signingKeyFile = "partner.pem"

// NewSigningKey makes the demo partner's key, keeps it in the folder, and
// answers the public half in PEM.
func NewSigningKey(folder string) (public string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, signingKeyFile)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// environment is where a shell finds the demo.
func (d Demo) environment(u URLs) string {
	var b strings.Builder
	for _, v := range [][2]string{
		{"CAMBIO", u.Cambio}, {"API", u.API}, {"FOLDER", u.Folder},
		{"BACKEND", BackendID}, {"BACKEND_SECRET", d.BackendSecret},
		{"PARTNER", PartnerID}, {"PARTNER_KEY", filepath.Join(u.Folder, signingKeyFile)},
		{"WALLETS", WalletsID}, {"WALLETS_SECRET", d.WalletsSecret},
		{"MAIL", filepath.Join(u.Folder, mailFile)},
	} {
		fmt.Fprintf(&b, "export %s=%s\n", v[0], v[1])
	}
	return b.String()
}

// EnvironmentFile is a shell script in the folder that sets what the README's
// samples use.
const EnvironmentFile = "demo.env"

// WriteEnvironment writes it.
func (d Demo) WriteEnvironment(u URLs) error {
	file := filepath.Join(u.Folder, EnvironmentFile)
	if err := os.WriteFile(file, []byte(d.environment(u)), 0o600); err != nil {
		return fmt.Errorf("writing the demo's environment: %w", err)
	}
	return nil
}
