package wallet

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"strings"
)

// Solana's hardware wallets do not sign a bare text, which could be a transaction,
// but an off-chain message: a header and the text. Over time the header had four
// layouts, and a device signs the one that its firmware knows.

// offchainDomain begins every off-chain message. No transaction begins so.
const offchainDomain = "\xffsolana offchain"

// Formats of a text, by the characters and the length that a device can show.
const (
	formatASCII = iota
	formatUTF8
	formatLongUTF8
)

// maxOffchain is the length in bytes of the longest text, whose length has 16 bits.
const maxOffchain = 65515

// offchainMessages returns the off-chain messages of a text that a wallet may have
// signed by a key. The text is in each of them unchanged.
func offchainMessages(key ed25519.PublicKey, text string) []string {
	if text == "" || len(text) > maxOffchain {
		return nil
	}
	size := string(binary.LittleEndian.AppendUint16(nil, uint16(len(text))))
	signer := "\x01" + string(key) // the number of signers, and them
	all := []string{
		offchainDomain + "\x01" + signer + text,
		offchainDomain + "\x01" + signer + size + text,
	}
	for format := byte(formatASCII); format <= formatLongUTF8; format++ {
		all = append(all, offchainDomain+"\x00"+string(format)+size+text)
		for _, application := range applications(text) {
			all = append(all, offchainDomain+"\x00"+application+string(format)+signer+size+text)
		}
	}
	return all
}

// applicationSize is the length in bytes of an application domain.
const applicationSize = 32

// applications returns the application domains that wallets write without being
// told one: none, and the domain that the text names.
func applications(text string) []string {
	domain, _, _ := strings.Cut(text, " ")
	padded := make([]byte, applicationSize)
	copy(padded, domain)
	return []string{string(make([]byte, applicationSize)), string(padded)}
}

// verifyEnvelope verifies an off-chain message that comes with its signature: the
// number of signatures, them, and the message. The application domain can be any
// there: it is the wallet's name for the site that the text names too.
func verifyEnvelope(key ed25519.PublicKey, text string, raw []byte) error {
	signed, one := bytes.CutPrefix(raw, []byte{1})
	if !one || len(signed) < ed25519.SignatureSize {
		return errors.New("it is neither 64 bytes nor an off-chain message with one signature")
	}
	signature, message := signed[:ed25519.SignatureSize], string(signed[ed25519.SignatureSize:])
	plain := message
	const at = len(offchainDomain) + 1 // of the application domain
	if len(message) > at+applicationSize {
		plain = message[:at] + string(make([]byte, applicationSize)) + message[at+applicationSize:]
	}
	for _, expected := range offchainMessages(key, text) {
		if expected == message || expected == plain {
			return verifyEd25519(key, message, signature)
		}
	}
	return errors.New("the off-chain message is not of the challenge")
}
