// Package wallet knows accounts on chains, the messages that their wallets
// sign to log in, and whether a signature is an account's: EVM chains (EIP-191,
// EIP-1271), Solana, and the XRP Ledger.
//
// It keeps nothing and decides nothing. A signature is checked over exactly the
// text that is given, by keys that follow from the account's address alone; who
// is asked about the signatures of contracts is the caller's to say.
package wallet
