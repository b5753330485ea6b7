package wallet

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// undeployedSuffix ends the signatures of contract wallets that may not be deployed
// yet (EIP-6492).
const undeployedSuffix = "6492649264926492649264926492649264926492649264926492649264926492"

// cutSuffix returns what is before the suffix, and reports whether there is one.
func cutSuffix(raw []byte) ([]byte, bool) {
	suffix, _ := hex.DecodeString(undeployedSuffix)
	return bytes.CutSuffix(raw, suffix)
}

// deployment is how a contract wallet will be deployed: by a call of its factory.
type deployment struct {
	factory []byte // address
	data    []byte // of the call
}

// unwrap returns the signature for the contract, and the deployment that was around
// it: the ABI's encoding of (address, bytes, bytes), and the suffix. A signature
// without the suffix has no deployment.
func unwrap(raw []byte) (*deployment, []byte, error) {
	words, wrapped := cutSuffix(raw)
	if !wrapped {
		return nil, raw, nil
	}
	const addressOffset, head = 12, 3 * wordSize
	data, dataOK := abiBytes(words, 1)
	signature, signatureOK := abiBytes(words, 2)
	if len(words) < head || !dataOK || !signatureOK || len(bytes.Trim(words[:addressOffset], "\x00")) > 0 {
		return nil, nil, errors.New("before the suffix of EIP-6492 there are not a factory, its call data and a signature")
	}
	return &deployment{factory: words[addressOffset:wordSize], data: data}, signature, nil
}

const wordSize = 32

// abiBytes returns the bytes to which the nth word of an encoding points.
func abiBytes(words []byte, n int) ([]byte, bool) {
	offset, ok := abiInt(words, n*wordSize)
	if !ok {
		return nil, false
	}
	size, ok := abiInt(words, offset)
	start := offset + wordSize
	if !ok || size > len(words)-start {
		return nil, false
	}
	return words[start : start+size], true
}

// abiInt returns the number at an offset, which is at most that of a 16-bit length.
func abiInt(words []byte, offset int) (int, bool) {
	if offset > len(words)-wordSize {
		return 0, false
	}
	word := words[offset : offset+wordSize]
	const small = 2 // bytes
	if len(bytes.Trim(word[:wordSize-small], "\x00")) > 0 {
		return 0, false
	}
	return int(binary.BigEndian.Uint16(word[wordSize-small:])), true
}

// The instructions of deployAndCall.
const (
	opEQ             = 0x14
	opAND            = 0x16
	opSHL            = 0x1b
	opCODECOPY       = 0x39
	opRETURNDATASIZE = 0x3d
	opPOP            = 0x50
	opMLOAD          = 0x51
	opGAS            = 0x5a
	opPUSH1          = 0x60
	opCALL           = 0xf1
	opRETURN         = 0xf3
	opSTATICCALL     = 0xfa
)

// deployAndCall returns init code that calls the factory and then the account with
// call data of isValidSignature. It returns yes if the account does, and nothing
// otherwise. As init code it needs no contract on the chain; nothing of it stays
// there.
//
// Whether the factory's call succeeds does not matter: without a contract at the
// address the account returns nothing.
func (d *deployment) deployAndCall(address string, check []byte) []byte {
	account, _ := hex.DecodeString(address[2:])
	// The data are behind the instructions, whose length depends on no value.
	size := len(d.instructions(account, len(check), 0))
	code := d.instructions(account, len(check), size)
	return append(append(code, d.data...), check...)
}

// instructions returns the instructions of deployAndCall, whose data begin at an
// offset. Arguments are pushed in reverse order.
func (d *deployment) instructions(account []byte, checkSize, offset int) (code []byte) {
	op := func(ops ...byte) { code = append(code, ops...) }
	push := func(value []byte) { op(append([]byte{opPUSH1 + byte(len(value)) - 1}, value...)...) }
	number := func(numbers ...int) {
		for _, n := range numbers {
			push([]byte{byte(n >> 16), byte(n >> 8), byte(n)})
		}
	}

	number(len(d.data), offset, 0) // size, offset in the code, in memory
	op(opCODECOPY)
	number(0, 0, len(d.data), 0, 0) // result's size and offset, argument's, value
	push(d.factory)
	op(opGAS, opCALL, opPOP)

	number(checkSize, offset+len(d.data), 0)
	op(opCODECOPY)
	number(wordSize, 0, checkSize, 0)
	push(account)
	op(opGAS, opSTATICCALL)

	op(opRETURNDATASIZE) // it succeeded with one word,
	number(wordSize)
	op(opEQ, opAND)
	number(0) // which is yes:
	op(opMLOAD)
	push(magicResult)
	op(opEQ, opAND)
	number(5) // 1 << 5 bytes are the word
	op(opSHL)
	number(0)
	op(opRETURN)
	return code
}
