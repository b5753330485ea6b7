package e2e

import (
	"os"
	"strings"
	"sync"
)

// secrets are texts that a server saw and must not keep. Of very many only
// the first ones are looked for.
type secrets struct {
	mu   sync.Mutex
	text map[string]bool
}

const manySecrets = 300

func (s *secrets) add(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text == nil {
		s.text = make(map[string]bool)
	}
	for _, text := range texts {
		if text != "" && len(s.text) < manySecrets {
			s.text[text] = true
		}
	}
}

// addToken adds what makes a token one: the signature of a JWT, the MAC of a
// refresh token. What is before it may be known to logs.
func (s *secrets) addToken(tokens ...string) {
	for _, token := range tokens {
		s.add(token[strings.LastIndexByte(token, '.')+1:])
	}
}

// findSecrets looks for the secrets wherever the server writes.
func (s *server) findSecrets() {
	places := map[string]string{"standard error": s.out.String()}
	for _, name := range []string{"audit.log", "cambio.db"} {
		content, err := os.ReadFile(s.file(name))
		if err != nil {
			s.t.Error(err)
		}
		places[name] = string(content)
	}
	for _, name := range []string{"cambio.kek", "cambio.admin-token"} {
		if content, err := os.ReadFile(s.file(name)); err == nil {
			s.seen.add(strings.TrimSpace(string(content)))
		}
	}
	for place, content := range places {
		for secret := range s.seen.text {
			if strings.Contains(content, secret) {
				s.t.Errorf("%s has the secret %.12s…", place, secret)
			}
		}
	}
}
