package admin

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// OpenToken reads the bearer token of the admin API from a file, and makes
// the file, 256 random bits that only its owner can read, if there is none. A
// file that others can read is refused: whoever has the token decides who gets
// in.
func OpenToken(path string) (string, error) {
	token, err := readToken(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, err
	}
	if err := createToken(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("making admin token: %w", err)
	}
	return readToken(path) // of two servers that start at once, one made it
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
	if len(token) < 43 { // 256 bits in base64url
		return "", fmt.Errorf("reading admin token: %s holds fewer than 256 bits; remove it and one is made", path)
	}
	return token, nil
}

// createToken links a whole file to path, which fails if there is one: nobody
// sees half a token.
func createToken(path string) error {
	secret := make([]byte, 32)
	rand.Read(secret)
	tmp, err := os.CreateTemp(filepath.Dir(path), ".admin-token-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(base64.RawURLEncoding.EncodeToString(secret) + "\n")
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}
