package admin

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"cambio/keys"
)

const minToken = 43 // bytes: 256 bits in base64url

// OpenToken reads the bearer token of the admin API from a file. If there is none
// it creates the file with 256 random bits, readable by its owner only. A file
// that others can read is refused: with the token one can log in as any user.
func OpenToken(path string) (string, error) {
	token, err := readToken(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, err
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	err = keys.CreateSecretFile(path, base64.RawURLEncoding.EncodeToString(secret)+"\n")
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("creating admin token: %w", err)
	}
	return readToken(path) // another server may have created it meanwhile
}

func readToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("reading admin token: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("reading admin token: %s can be read or written by others; chmod it to 600", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading admin token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < minToken {
		return "", fmt.Errorf("reading admin token: %s has fewer than 256 bits; remove it, and a new one is created", path)
	}
	return token, nil
}
