package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/keys"
)

// Bounds of one call.
const (
	maxManifest = 16 << 20 // bytes; ten thousand issuers are about a third
	maxBody     = 64 << 10 // bytes of every other body
	maxTime     = time.Minute
)

// guard passes a call to next if it is meant for this listener, does not come from
// a page of another site, has the token, and sends JSON.
func (a *api) guard(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	want := sha256.Sum256([]byte(a.cfg.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch unrecorded := a.cfg.Audit.Ready(); {
		case !a.isOwnHost(r.Host):
			writeProblem(w, http.StatusMisdirectedRequest, "this listener does not have the name in Host")
		case origins.Check(r) != nil:
			a.noteRefused(r, exchange.ReasonOriginNotAllowed)
			writeProblem(w, http.StatusForbidden, "the request comes from a page of another site")
		case !hasToken(r, want):
			a.noteRefused(r, exchange.ReasonClientAuthenticationFailed)
			w.Header().Set("WWW-Authenticate", `Bearer realm="cambio admin"`)
			writeProblem(w, http.StatusUnauthorized, "the admin token is missing or wrong")
		case r.ContentLength != 0 && !isJSON(r):
			writeProblem(w, http.StatusUnsupportedMediaType, "the body must be application/json")
		case unrecorded != nil && !unaudited(r):
			writeProblem(w, http.StatusServiceUnavailable, "the audit log cannot be written, so nothing is changed: "+unrecorded.Error())
		default:
			ctx, cancel := context.WithTimeout(withAddress(r), maxTime)
			defer cancel()
			r.Body = http.MaxBytesReader(w, r.Body, maxManifest)
			next.ServeHTTP(w, r.WithContext(ctx))
		}
	})
}

// isOwnHost prevents DNS rebinding: a page's own name may point here, but the
// browser still sends that name.
func (a *api) isOwnHost(host string) bool {
	if slices.Contains(a.cfg.Hosts, host) {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	return exchange.Loopback(host) || slices.Contains(a.cfg.Hosts, host)
}

// hasToken compares hashes, so that its duration reveals neither how much of the
// token is right nor the token's length.
func hasToken(r *http.Request, want [sha256.Size]byte) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := sha256.Sum256([]byte(token))
	same := subtle.ConstantTimeCompare(got[:], want[:]) == 1
	return same && strings.EqualFold(scheme, "Bearer")
}

func isJSON(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "application/json"
}

// writeProblem writes problem details (RFC 9457).
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}

// unaudited reports whether a call may be made while the audit log cannot be written:
// it changes nothing, or may mend the log.
func unaudited(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.URL.Path == reloadPath
}

// noteRefused audits a call without the right to make it. The refusal stands if that
// fails; the audit log counts its events that are lost.
func (a *api) noteRefused(r *http.Request, reason exchange.Reason) {
	_ = a.cfg.Audit.Write(&audit.Event{Time: a.now(), Name: "admin", Reason: reason, Address: addressOf(r)})
}

type addressKey struct{}

func withAddress(r *http.Request) context.Context {
	return context.WithValue(r.Context(), addressKey{}, addressOf(r))
}

func addressOf(r *http.Request) netip.Addr {
	at, _ := netip.ParseAddrPort(r.RemoteAddr)
	return at.Addr().Unmap()
}

// note audits a change that was made, so that an error is the operator's to know.
func (a *api) note(ctx context.Context, e audit.Event) {
	e.Time = a.now()
	e.Address, _ = ctx.Value(addressKey{}).(netip.Addr)
	if err := a.cfg.Audit.Write(&e); err != nil {
		a.log.ErrorContext(ctx, "a change is not in the audit log", "event", e.Name, "error", err)
	}
}

const minToken = 43 // bytes: 256 bits in base64url

// OpenToken reads the bearer token of the admin API from a file. If there is none
// it creates the file with 256 random bits, readable by its owner only. A file
// that [keys.ReadSecretFile] refuses is refused: with the token one can log in as any
// user.
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
	text, err := keys.ReadSecretFile(path)
	if err != nil {
		return "", fmt.Errorf("reading admin token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < minToken {
		return "", fmt.Errorf("reading admin token: %s has fewer than 256 bits; remove it, and a new one is created", path)
	}
	return token, nil
}
