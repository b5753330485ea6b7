package wallet

import (
	"strings"
	"time"
)

// Message is what a wallet is asked to sign. The strings are without line
// breaks, or a reader could take a part of one for a field.
type Message struct {
	Domain    string // the host, and port if any, that asks
	URI       string // the resource that it is for
	Statement string // for the user; may be empty
	Account   Account
	Nonce     string // 8 or more letters and digits
	IssuedAt  time.Time
	Expires   time.Time
	RequestID string
}

// The formats of messages, as they are called.
const (
	FormatEIP4361 = "eip4361"
	FormatSIWS    = "siws"
	FormatCAIP122 = "caip122"
)

// Format is the name of the message's format.
func (m Message) Format() string {
	switch m.Account.Type() {
	case EVM:
		return FormatEIP4361
	case Solana:
		return FormatSIWS
	}
	return FormatCAIP122
}

// String is the text to be signed: EIP-4361 for EVM, Sign-In With Solana, and
// the text of CAIP-122 that both follow for the XRP Ledger.
func (m Message) String() string {
	var b strings.Builder
	b.WriteString(m.Domain + " wants you to sign in with your " + m.Account.network() + " account:\n")
	b.WriteString(m.Account.Address + "\n\n")
	switch {
	case m.Statement != "":
		b.WriteString(m.Statement + "\n\n")
	case m.Account.Type() == EVM: // the line of the statement stays, empty (EIP-4361)
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

// network is what the chains of a type are called in messages.
func (c Chain) network() string {
	switch c.Type() {
	case EVM:
		return "Ethereum"
	case Solana:
		return "Solana"
	}
	return "XRP Ledger"
}

// clusters is Solana's reference → the cluster's name, which Sign-In With
// Solana has in the place of the reference.
var clusters = map[string]string{
	"5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": "mainnet",
	"4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z": "testnet",
	"EtWTRABZaYq6iMfeYKouRu166VU2xqa1": "devnet",
}

// chainID is the chain as messages have it.
func (c Chain) chainID() string {
	if name := clusters[c.Reference]; name != "" && c.Type() == Solana {
		return name
	}
	return c.Reference
}
