package wallet

import (
	"testing"
	"time"
)

func TestMessagesFollowTheirFormats(t *testing.T) {
	at := time.Date(2026, 11, 21, 3, 0, 0, 999, time.FixedZone("", 3600))
	m := Message{
		Domain: "shop.example.com", URI: "https://shop.example.com/login", Statement: "Log in to the shop.",
		Nonce: "foobarbaz0", IssuedAt: at, Expires: at.Add(5 * time.Minute), RequestID: "r1",
	}
	const tail = "Nonce: foobarbaz0\nIssued At: 2026-11-21T02:00:00Z\nExpiration Time: 2026-11-21T02:05:00Z\nRequest ID: r1"
	for _, row := range []struct{ chain, address, format, begin, statement, fields string }{
		{
			"eip155:137", "0xA0Cf798816D4b9b9866b5330EEa46a18382f251e", "eip4361",
			"shop.example.com wants you to sign in with your Ethereum account:\n0xA0Cf798816D4b9b9866b5330EEa46a18382f251e\n\n",
			"Log in to the shop.\n", "\nURI: https://shop.example.com/login\nVersion: 1\nChain ID: 137\n" + tail,
		},
		{
			solanaMainnet, "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB", "siws",
			"shop.example.com wants you to sign in with your Solana account:\nGmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB\n\n",
			"Log in to the shop.\n\n", "URI: https://shop.example.com/login\nVersion: 1\nChain ID: mainnet\n" + tail,
		},
		{
			"xrpl:1", "rD1Q9MzAp9aUMcSU1skmYxcerqZBQFsSWo", "caip122",
			"shop.example.com wants you to sign in with your XRP Ledger account:\nrD1Q9MzAp9aUMcSU1skmYxcerqZBQFsSWo\n\n",
			"Log in to the shop.\n\n", "URI: https://shop.example.com/login\nVersion: 1\nChain ID: 1\n" + tail,
		},
	} {
		t.Run(row.chain, func(t *testing.T) {
			m := m
			m.Account = account(t, row.chain, row.address)
			if got, want := m.String(), row.begin+row.statement+row.fields; got != want || m.Format() != row.format {
				t.Errorf("%s:\n%s\nwant\n%s", m.Format(), got, want)
			}
			m.Statement = ""
			if got, want := m.String(), row.begin+row.fields; got != want {
				t.Errorf("without statement:\n%s\nwant\n%s", got, want)
			}
		})
	}
}
