package wallet

import (
	"strings"
	"testing"
)

// A chain is found by the names that wallets and pages have for it.
func TestNamedChain(t *testing.T) {
	const genesis = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
	for _, row := range []struct {
		typ        Type
		name, want string
	}{
		{EVM, "1", "eip155:1"}, {EVM, "0x1", "eip155:1"}, {EVM, "0X1", "eip155:1"}, {EVM, "0x01", "eip155:1"}, {EVM, "0xA4b1", "eip155:42161"},
		{EVM, "eip155:1", "eip155:1"}, {EVM, "EIP155:1", "eip155:1"}, {EVM, "eip155:0x1", "eip155:1"}, {EVM, "ETHEREUM", "eip155:1"}, {"", "Base", "eip155:8453"},
		{"", "0x89", "eip155:137"}, {"", "eip155:137", "eip155:137"}, {"", "solana", solanaMainnet}, {"", "solana:mainnet", solanaMainnet},
		{Solana, "mainnet", solanaMainnet}, {Solana, "mainnet-beta", solanaMainnet}, {Solana, "devnet", "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"},
		{Solana, genesis, solanaMainnet}, {Solana, "solana:" + genesis, solanaMainnet}, {Solana, genesis[:32], solanaMainnet},
		{XRPL, "0", "xrpl:0"}, {XRPL, "xrpl:1", "xrpl:1"}, {XRPL, "TESTNET", "xrpl:1"}, {XRPL, "XRPL", "xrpl:0"},

		{"", "1", ""}, {"", "mainnet", ""}, {"", "", ""}, {EVM, "", ""}, {EVM, "01", ""}, {EVM, "-1", ""}, {EVM, "1.0", ""}, {EVM, "0x", ""}, {EVM, "0xg", ""},
		{EVM, "0x" + strings.Repeat("f", 33), ""}, {EVM, "mainnet", ""}, {EVM, "solana", ""}, {EVM, "xrpl:0", ""}, {EVM, "eip155:1:x", ""},
		{Solana, "0x1", ""}, {Solana, "mainnetx", ""}, {Solana, "localnet", ""}, {XRPL, "0x0", ""}, {"", "bip122:1", ""},
	} {
		c, err := NamedChain(row.typ, row.name)
		switch {
		case row.want == "" && err == nil:
			t.Errorf("%q of type %q is %s", row.name, row.typ, c)
		case row.want != "" && (err != nil || c.String() != row.want):
			t.Errorf("%q of type %q is %s, %v, want %s", row.name, row.typ, c, err, row.want)
		}
	}
}
