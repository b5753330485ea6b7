package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"cambio/exchange"
)

// issuerDiff says how two stored issuers differ.
func issuerDiff(before, after exchange.Issuer) []string {
	return diff(issuerLeaves(before, exchange.Issuer{}), issuerLeaves(after, before))
}

// issuerLeaves shows a placeholder for each shared secret: the same as in
// other when the secret at that place is.
func issuerLeaves(i, other exchange.Issuer) []leaf {
	show := withoutSecrets(i)
	for n, s := range i.Keys.Secrets {
		show.Keys.Secrets[n].Value = "(secret)"
		if n < len(other.Keys.Secrets) && !bytes.Equal(other.Keys.Secrets[n].Sealed, s.Sealed) {
			show.Keys.Secrets[n].Value = "(another secret)"
		}
	}
	return leaves(show)
}

// clientDiff says how two clients differ apart from their secrets, which no
// manifest declares.
func clientDiff(before, after exchange.Client) []string {
	return diff(clientLeaves(before, exchange.Client{}), clientLeaves(after, before))
}

// withoutMACs is a client to show: of its secrets there are IDs and times.
func withoutMACs(c exchange.Client) exchange.Client {
	c = withoutWebhookSecret(c)
	c.Secrets = slices.Clone(c.Secrets)
	for n := range c.Secrets {
		c.Secrets[n].MAC = nil
	}
	return c
}

// leaf is a scalar of a JSON value: its path and its spelling.
type leaf struct{ path, value string }

// diff lists what is new or different, then what is gone.
func diff(before, after []leaf) []string {
	var out []string
	old, left := values(before), values(after)
	for _, l := range after {
		was, had := old[l.path]
		switch {
		case !had:
			out = append(out, fmt.Sprintf("+ %s: %s", l.path, brief(l.value)))
		case was != l.value:
			out = append(out, fmt.Sprintf("~ %s: %s → %s", l.path, brief(was), brief(l.value)))
		}
	}
	for _, l := range before {
		if _, stays := left[l.path]; !stays {
			out = append(out, fmt.Sprintf("- %s: %s", l.path, brief(l.value)))
		}
	}
	return out
}

func values(list []leaf) map[string]string {
	out := make(map[string]string, len(list)) // path → value
	for _, l := range list {
		out[l.path] = l.value
	}
	return out
}

// leaves are the scalars of a registration, in the order of their paths.
func leaves(registration any) []leaf {
	var out []leaf
	var tree any
	text, err := json.Marshal(registration)
	if err == nil {
		err = json.Unmarshal(text, &tree)
	}
	if err != nil {
		return []leaf{{"registration", err.Error()}}
	}
	walk("", tree, func(path, value string) { out = append(out, leaf{path, value}) })
	return out
}

func walk(path string, tree any, leaf func(path, value string)) {
	switch t := tree.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(t)) {
			walk(member(path, k), t[k], leaf)
		}
	case []any:
		for n, v := range t {
			walk(fmt.Sprintf("%s[%d]", path, n), v, leaf)
		}
	case string:
		if path != "id" && t != "" { // the ID is the change's own
			leaf(path, strconv.Quote(t))
		}
	case nil:
	default:
		leaf(path, fmt.Sprint(t))
	}
}

func member(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// brief is a value for one line; of a long one, such as a key set, the
// beginning and a hash that tells it from others.
func brief(value string) string {
	const most, shown = 120, 60
	if len(value) <= most {
		return value
	}
	return fmt.Sprintf("%.*s… (%d bytes, SHA-256 %x)", shown, value, len(value), sha256.Sum256([]byte(value)))
}
