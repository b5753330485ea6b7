package wallet

import (
	"strings"
	"time"
)

// Message is the message that a wallet signs. Its strings must not contain line
// breaks; otherwise a part of one could be read as a field.
type Message struct {
	Domain    string // host, and port if any, of the page that requests the signature
	URI       string // the resource to log in to
	Statement string // for the user; may be empty
	Account   Account
	Nonce     string // 8 or more letters and digits
	IssuedAt  time.Time
	Expires   time.Time
	RequestID string
}

// Format returns the name of the message's format: eip4361, siws or caip122.
func (m Message) Format() string { return families[m.Account.Namespace].format }

// String returns the text to be signed: EIP-4361 for EVM, Sign-In With Solana, and
// the text of CAIP-122, which both follow, for the XRP Ledger.
func (m Message) String() string {
	var b strings.Builder
	b.WriteString(m.Domain + " wants you to sign in with your " + families[m.Account.Namespace].network + " account:\n")
	b.WriteString(m.Account.Address + "\n\n")
	switch {
	case m.Statement != "":
		b.WriteString(m.Statement + "\n\n")
	case m.Account.Type() == EVM: // the line of the statement is empty (EIP-4361)
		b.WriteString("\n")
	}
	for _, field := range []struct{ name, value string }{
		{"URI", m.URI},
		{"Version", "1"},
		{"Chain ID", m.Account.chainID()},
		{"Nonce", m.Nonce},
		{"Issued At", m.IssuedAt.UTC().Format(time.RFC3339)},
		{"Expiration Time", m.Expires.UTC().Format(time.RFC3339)},
	} {
		b.WriteString(field.name + ": " + field.value + "\n")
	}
	b.WriteString("Request ID: " + m.RequestID)
	return b.String()
}

// clusters is Solana's reference → the cluster's name, which Sign-In With Solana
// uses instead.
var clusters = map[string]string{
	"5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": "mainnet",
	"4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z": "testnet",
	"EtWTRABZaYq6iMfeYKouRu166VU2xqa1": "devnet",
}

// chainID returns the chain as messages name it.
func (c Chain) chainID() string {
	if name := clusters[c.Reference]; name != "" && c.Type() == Solana {
		return name
	}
	return c.Reference
}
