package keys

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// kekSize is the length of a key-encryption key: that of an AES-256 key.
const kekSize = 32

// ReadKEK reads a key-encryption key from a file: 32 bytes in base64, with or
// without a line break after them. It refuses a file that every user of the
// machine can read. A group may, because orchestrators mount secrets so.
func ReadKEK(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading key-encryption key: %w", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o007 != 0 {
		return nil, errors.Join(fmt.Errorf("reading key-encryption key: %s is open to every user of this machine; chmod 600 it", path), err)
	}
	kek, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(kek) != kekSize {
		return nil, fmt.Errorf("reading key-encryption key: %s is not %d bytes in base64", path, kekSize)
	}
	return kek, nil
}

// CreateKEK creates a key-encryption key and writes it to a file as
// [CreateSecretFile] does: of two processes that start at once one creates the
// file, and the other can read it.
func CreateKEK(path string) ([]byte, error) {
	kek := make([]byte, kekSize)
	rand.Read(kek) // never fails
	if err := CreateSecretFile(path, base64.StdEncoding.EncodeToString(kek)+"\n"); err != nil {
		return nil, fmt.Errorf("creating key-encryption key: %w", err)
	}
	return kek, nil
}

// CreateSecretFile writes text to a file that only its owner can read. If the file
// exists, it returns fs.ErrExist. Readers never see a part of the file: it is
// written under a temporary name and linked to path.
func CreateSecretFile(path, text string) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(text)
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Link(tmp.Name(), path)
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a new name in dir durable: what is sealed under a key is lost with
// the key's file.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
