package wallet

import (
	"errors"
	"strings"
	"testing"
)

const solanaMainnet = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"

func chain(t testing.TB, id string) Chain {
	t.Helper()
	c, err := ParseChain(id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func account(t testing.TB, id, address string) Account {
	t.Helper()
	a, err := ParseAccount(chain(t, id), address)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestParseChainAcceptsOneSpelling(t *testing.T) {
	for _, id := range []string{"eip155:1", "eip155:42161", solanaMainnet, "xrpl:0"} {
		if c := chain(t, id); c.String() != id {
			t.Errorf("%s became %s", id, c)
		}
	}
	for _, id := range []string{
		"", "eip155", "eip155:", "eip155:01", "eip155:0x1", "eip155:-1", "eip155:1:0x", "EIP155:1", "bip122:1", "solana:mainnet",
		solanaMainnet + "x", "eip155:" + strings.Repeat("1", 33),
	} {
		if c, err := ParseChain(id); err == nil || c != (Chain{}) {
			t.Errorf("%q is %+v", id, c)
		}
	}
}

func TestParseAccountIsCanonical(t *testing.T) {
	const evm, solana, xrpl = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB", "rD1Q9MzAp9aUMcSU1skmYxcerqZBQFsSWo"
	for _, row := range []struct{ name, chain, address, want string }{
		{"with its checksum", "eip155:1", evm, "eip155:1:" + evm},
		{"in lower case", "eip155:137", strings.ToLower(evm), "eip155:137:" + evm},
		{"in upper case", "eip155:1", "0x" + strings.ToUpper(evm[2:]), "eip155:1:" + evm},
		{"another example of EIP-55", "eip155:1", "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "eip155:1:0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB"},
		{"one capital wrong", "eip155:1", "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", ""},
		{"without 0x", "eip155:1", evm[2:], ""},
		{"with 0X", "eip155:1", "0X" + evm[2:], ""},
		{"too short", "eip155:1", evm[:41], ""},
		{"too long", "eip155:1", evm + "00", ""},
		{"with a space", "eip155:1", evm + " ", ""},

		{"Solana", solanaMainnet, solana, solanaMainnet + ":" + solana},
		{"Solana too short", solanaMainnet, solana[2:], ""},
		{"Solana too long", solanaMainnet, solana + "1", ""},
		{"Solana with 0", solanaMainnet, "0" + solana[1:], ""},
		{"the system program, of order 4", solanaMainnet, "11111111111111111111111111111111", ""},
		{"an EVM address on Solana", solanaMainnet, evm, ""},

		{"XRP Ledger", "xrpl:0", xrpl, "xrpl:0:" + xrpl},
		{"the genesis account", "xrpl:0", "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh", "xrpl:0:rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh"},
		{"a digit wrong", "xrpl:0", "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTH", ""},
		{"an X-address", "xrpl:0", "XVLhHMPHU98es4dbozjVtdWzVrDjtV5fdx1mHp98tDMoQXb", ""},
		{"a Solana address", "xrpl:0", solana, ""},
		{"empty", "xrpl:0", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, err := ParseAccount(chain(t, row.chain), row.address)
			switch {
			case row.want == "" && (!errors.Is(err, ErrAddress) || a != Account{}):
				t.Errorf("is %s, %v", a, err)
			case row.want != "" && (err != nil || a.String() != row.want):
				t.Errorf("is %s, %v, want %s", a, err, row.want)
			}
		})
	}
}
