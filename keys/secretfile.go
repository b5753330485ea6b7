package keys

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ReadSecretFile reads a file with a secret. It refuses one that users outside its
// owner and group can read or write, so that a file that a careless umask made is
// noticed. They may read it only where the mode lets no user write it, not even the owner:
// no umask makes such a file, but container platforms mount secrets with mode 0444, in
// a container with one user. It follows symbolic links, of which such mounts consist:
// the mode of the file counts.
func ReadSecretFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkMode(path, info.Mode().Perm()); err != nil {
		return nil, err
	}
	const longest = 1 << 20 // bytes
	text, err := io.ReadAll(io.LimitReader(f, longest+1))
	if err == nil && len(text) > longest {
		err = fmt.Errorf("%s has more than %d bytes", path, longest)
	}
	return text, err
}

func checkMode(path string, mode os.FileMode) error {
	const write, others, othersRead = 0o222, 0o007, 0o004
	if mode&others == 0 || mode&others == othersRead && mode&write == 0 {
		return nil
	}
	return fmt.Errorf("%s has mode %04o, open to every user of this machine; chmod 600 it (a container platform's secret: mode 0440 or 0444)", path, mode)
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
