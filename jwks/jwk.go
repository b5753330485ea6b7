package jwks

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cambio/jwks/strictjson"
)

// The bounds of a key set.
const (
	maxKeys  = 256
	maxChain = 10 // certificates in one x5c
)

// maxNesting bounds a set: what is in members that are not read counts too.
const maxNesting = 128

// jwkRules refuse case variants of the members that are read (RFC 7517 §4, RFC
// 7518 §6, RFC 8037 §2) and of those of private keys. Other members are the
// issuer's, whatever is in them.
var jwkRules = strictjson.Options{
	AllowNUL: true, ShallowDuplicates: true, MaxDepth: maxNesting,
	Known: strictjson.Known(
		"kty", "use", "key_ops", "alg", "kid", "n", "e", "crv", "x", "y",
		"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv",
	),
}

// setRules leave what is in a key to the reader of that key.
var setRules = strictjson.Options{
	AllowNUL: true, ShallowDuplicates: true, MaxDepth: maxNesting, Known: strictjson.Known("keys"),
}

// privateNames are the members that only private and secret keys have.
var privateNames = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// parsed is one key of a source with its certificates, or the reason why it is
// refused. What is known of a refused key is shown to operators.
type parsed struct {
	key
	chain []*x509.Certificate
	// unproven is the reason why the key's certificates do not count. Without
	// certificates in its own right a key is sound; trust that goes by
	// certificates refuses it.
	unproven error
	notes    []string // what is wrong and does not matter
	refused  error
}

func (p *parsed) note(format string, args ...any) {
	p.notes = append(p.notes, clip(fmt.Sprintf(format, args...)))
}

// parseJWKS reads a JSON Web Key Set (RFC 7517 §5) key by key: a bad or unknown
// key does not spoil the others. uses are accepted values of use besides sig.
func parseJWKS(data []byte, uses ...string) ([]parsed, error) {
	var out []parsed
	found := false
	// A key is its numbers, so bytes that are not UTF-8 can only be in what does not
	// matter, or in a kid that no token can have.
	r := strictjson.New(strings.ToValidUTF8(string(data), "\uFFFD"), setRules)
	for name := range r.Object() {
		if name != "keys" {
			continue
		}
		found = true
		for i := range r.Array() {
			if i == maxKeys {
				r.Fail(fmt.Errorf("more than %d keys", maxKeys))
				break
			}
			out = append(out, parseJWK(r.Raw(), uses))
		}
	}
	switch err := r.End(); {
	case err != nil:
		return nil, err
	case !found:
		return nil, errors.New("a key set without keys")
	}
	return out, nil
}

// parseJWK reads one public key (RFC 7517 §4).
func parseJWK(text string, uses []string) parsed {
	r := strictjson.New(text, jwkRules)
	j := jwk{members: make(map[string]string)}
	for name := range r.Object() {
		j.members[name] = r.Raw()
	}
	if err := r.End(); err != nil {
		return parsed{refused: err}
	}
	p := j.describe(uses)
	if p.refused == nil {
		p.refused = j.read(&p)
	}
	return p
}

// jwk is a JSON Web Key: the text of each member by its name. The first member
// that is needed and cannot be read leaves an error, after which nothing that is
// read counts.
type jwk struct {
	members map[string]string
	err     error
}

func (j *jwk) has(name string) bool {
	_, ok := j.members[name]
	return ok
}

// empty reports whether a member is absent, or present without a value.
func (j *jwk) empty(name string) bool {
	switch strings.Join(strings.Fields(j.members[name]), "") {
	case "", "null", `""`, "[]", "{}":
		return true
	}
	return false
}

func (j *jwk) fail(format string, args ...any) {
	if j.err == nil {
		j.err = fmt.Errorf(format, args...)
	}
}

// asString returns a member if it is a string.
func (j *jwk) asString(name string) (string, bool) {
	r := strictjson.New(j.members[name], strictjson.Options{AllowNUL: true})
	s := r.String()
	return s, r.End() == nil
}

// asStrings returns a member if it is an array of strings.
func (j *jwk) asStrings(name string) ([]string, bool) {
	r := strictjson.New(j.members[name], strictjson.Options{AllowNUL: true})
	list := r.Strings()
	return list, r.End() == nil
}

// text returns a member that is needed and must be a string if it is present.
func (j *jwk) text(name string) string {
	s, ok := j.asString(name)
	if !ok && j.has(name) {
		j.fail("%s is not a string", name)
	}
	return s
}

// optional returns a member that may be absent. A value that is no string, or
// empty, is noted and is the same as none.
func (j *jwk) optional(name string, p *parsed) string {
	s, ok := j.asString(name)
	switch {
	case !j.has(name):
	case j.empty(name):
		p.note("%s is empty", name)
	case !ok:
		p.note("%s is not a string", name)
	}
	return s
}

// bytes returns a member that must be base64url (RFC 7518 §6). Another spelling
// in base64 leaves no doubt about the bytes, and is noted.
func (j *jwk) bytes(name string, p *parsed) []byte {
	s := j.text(name)
	if out, err := decode(nil, s); err == nil && s != "" {
		return out
	}
	s = strings.TrimRight(strings.Join(strings.Fields(plainToURL.Replace(s)), ""), "=")
	out, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || s == "" {
		j.fail("%s is not base64url", name)
	} else {
		p.note("%s is not in base64url without padding", name)
	}
	return out
}

// plainToURL turns the alphabet of base64 into that of base64url (RFC 4648 §5).
var plainToURL = strings.NewReplacer("+", "-", "/", "_")

// describe reads what all keys have and refuses keys that are not for verifying
// by their own account.
func (j *jwk) describe(uses []string) parsed {
	var p parsed
	p.kty = j.text("kty")
	p.kid, p.alg, p.use = j.optional("kid", &p), j.optional("alg", &p), j.optional("use", &p)
	if len(p.kid) > maxKID {
		p.kid = ""
		p.note("its kid has more than %d bytes, so no token names it", maxKID)
	}
	private := slices.ContainsFunc(privateNames, func(name string) bool { return !j.empty(name) })
	switch {
	case j.err != nil:
		p.refused = j.err
	case p.kty == "oct":
		p.refused = errors.New("a symmetric key: only registered secrets are accepted")
	case private:
		p.refused = errors.New("it holds a private key, which is no longer private")
	case p.use != "" && p.use != "sig" && !slices.Contains(uses, p.use):
		p.refused = fmt.Errorf("its use is %s, want sig", quote(p.use))
	case !j.mayVerify(&p):
		p.refused = errors.New("its key_ops do not have verify")
	case p.alg != "" && algorithms[p.alg] == nil:
		p.refused = fmt.Errorf("its alg is %s, which is no known signature algorithm", quote(p.alg))
	}
	for _, name := range privateNames {
		if j.has(name) && j.empty(name) {
			p.note("%s is empty", name)
		}
	}
	return p
}

// mayVerify reports whether key_ops permits to verify (RFC 7517 §4.3). A list
// without any operation, as .NET writes it, states nothing.
func (j *jwk) mayVerify(p *parsed) bool {
	ops, ok := j.asStrings("key_ops")
	switch {
	case !j.has("key_ops"):
	case j.empty("key_ops"):
		p.note("key_ops is empty")
	case !ok:
		p.note("key_ops is not an array of strings")
	case !slices.Contains(ops, "verify") && slices.Contains(ops, "sign"):
		p.note("key_ops is that of the private key")
	default:
		return slices.Contains(ops, "verify")
	}
	return true
}

// read reads the key itself: from its own members, or, if it has none, from its
// certificate.
func (j *jwk) read(p *parsed) error {
	p.chain, p.unproven = j.chain()
	pub, err := j.public(p)
	switch {
	case err != nil:
		return err
	case pub == nil && p.unproven != nil:
		return p.unproven
	case pub == nil && len(p.chain) == 0:
		return fmt.Errorf("a key of type %s without its parameters", quote(p.kty))
	}
	stated := p.kty
	if pub == nil {
		pub = p.chain[0].PublicKey
	}
	if err := p.setPublic(pub); err != nil {
		return err
	}
	if p.kty != stated {
		return fmt.Errorf("its kty is %s, and its certificate has an %s key", quote(stated), p.kty)
	}
	if alg := algorithms[p.alg]; alg != nil && !alg.fits(&p.key) {
		return fmt.Errorf("its alg %s does not fit its type", p.alg)
	}
	j.prove(p)
	return nil
}
