package wallet

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Xaman signs no texts, only transactions, and has one for logins: SignIn, which
// has no transaction type on the ledger and can therefore never be submitted. The
// text is in a memo of it.

// signingPrefix precedes what is signed of a transaction.
const signingPrefix = "STX\x00"

// signIn holds the fields of a signed SignIn transaction.
type signIn struct {
	key, signature, account []byte
	memos                   []string
	signed                  []byte // all of it but the signature
}

// verifySignIn requires that the account whose ID is given has signed a SignIn
// transaction with message in a memo.
func verifySignIn(id []byte, message string, p Proof) error {
	blob, err := hex.DecodeString(p.Signature)
	if err != nil {
		return errors.New("the signature is not hexadecimal")
	}
	tx, err := parseSignIn(blob)
	switch {
	case err != nil:
		return fmt.Errorf("neither a signature nor a SignIn transaction: %w", err)
	case p.PublicKey != "" && !strings.EqualFold(p.PublicKey, hex.EncodeToString(tx.key)):
		return errors.New("publicKey is not the key of the SignIn transaction")
	case !bytes.Equal(tx.account, id):
		return errors.New("the SignIn transaction is of another account")
	case !slices.Contains(tx.memos, message):
		return errors.New("the challenge is in no memo of the SignIn transaction")
	}
	return verifyMasterKey(id, tx.key, signingPrefix+string(tx.signed), tx.signature)
}

// parseSignIn reads the fields of a serialized transaction. It refuses one with a
// type: that could be submitted, and its signer has agreed to more than a login.
func parseSignIn(blob []byte) (*signIn, error) {
	tx := &signIn{}
	for rest := blob; len(rest) > 0; {
		f, after, err := readField(rest)
		if err != nil {
			return nil, err
		}
		if f.id == fieldMemos {
			if tx.memos, after, err = readMemos(after); err != nil {
				return nil, err
			}
		}
		if err := tx.add(f); err != nil {
			return nil, err
		}
		if f.id != fieldSignature {
			tx.signed = append(tx.signed, rest[:len(rest)-len(after)]...)
		}
		rest = after
	}
	return tx, nil
}

// add takes the value of a field.
func (tx *signIn) add(f field) error {
	into := map[fieldID]*[]byte{fieldKey: &tx.key, fieldSignature: &tx.signature, fieldAccount: &tx.account}[f.id]
	switch {
	case f.id == fieldType:
		return errors.New("it has a transaction type")
	case f.id.typ == typeObject || f.id.typ == typeArray && f.id != fieldMemos:
		return errors.New("it has fields that no SignIn has")
	case into == nil:
	case *into != nil:
		return errors.New("a field is repeated")
	default:
		*into = f.value
	}
	return nil
}

// fieldID is the type and the code of a field of the ledger's format.
type fieldID struct{ typ, code byte }

var (
	fieldType      = fieldID{1, 2}
	fieldKey       = fieldID{7, 3}
	fieldSignature = fieldID{7, 4}
	fieldMemoData  = fieldID{7, 13}
	fieldAccount   = fieldID{8, 1}
	fieldObjectEnd = fieldID{14, 1}
	fieldMemo      = fieldID{14, 10}
	fieldArrayEnd  = fieldID{15, 1}
	fieldMemos     = fieldID{15, 9}
)

// The types of fields whose size the type does not say.
const (
	typeAmount  = 6
	typeBlob    = 7
	typeAccount = 8
	typeObject  = 14
	typeArray   = 15
)

// fieldSizes is type → size in bytes.
var fieldSizes = map[byte]int{
	1: 2, 2: 4, 3: 8, 4: 16, 5: 32, 16: 1, 17: 20, // numbers and hashes
	typeObject: 0, typeArray: 0, // what is in them follows as fields
}

type field struct {
	id    fieldID
	value []byte
}

var errCut = errors.New("a field is cut off, or of an unknown type")

// readField reads a field and returns what follows.
func readField(data []byte) (f field, rest []byte, err error) {
	f.id = fieldID{data[0] >> 4, data[0] & 0xf}
	rest = data[1:]
	for _, half := range []*byte{&f.id.typ, &f.id.code} {
		if *half != 0 {
			continue
		}
		if len(rest) == 0 { // 16 or more has a byte of its own
			return f, nil, errCut
		}
		*half, rest = rest[0], rest[1:]
	}
	size, known := fieldSizes[f.id.typ]
	switch {
	case f.id.typ == typeBlob || f.id.typ == typeAccount:
		size, rest, known = readLength(rest)
	case f.id.typ == typeAmount && len(rest) > 0:
		size, known = 8, rest[0]&0x80 == 0 // of XRP; a fee is not in another currency
	}
	if !known || size > len(rest) {
		return f, nil, errCut
	}
	f.value = rest[:size]
	return f, rest[size:], nil
}

// readLength reads the length of a field, which has 1 to 3 bytes.
func readLength(data []byte) (size int, rest []byte, ok bool) {
	at := func(i int) int {
		if i < len(data) {
			return int(data[i])
		}
		return 0
	}
	first, n := at(0), 1
	switch {
	case first <= 192:
		size = first
	case first <= 240:
		size, n = 193+(first-193)<<8+at(1), 2
	default:
		size, n = 12481+(first-241)<<16+at(1)<<8+at(2), 3
	}
	if len(data) < n {
		return 0, nil, false
	}
	return size, data[n:], true
}

// readMemos reads the elements of an array of memos, and returns the data of each.
func readMemos(data []byte) (memos []string, rest []byte, err error) {
	rest = data
	inMemo := false
	for len(rest) > 0 {
		var f field
		if f, rest, err = readField(rest); err != nil {
			return nil, nil, err
		}
		switch {
		case f.id == fieldArrayEnd && !inMemo:
			return memos, rest, nil
		case f.id == fieldMemo && !inMemo:
			inMemo = true
		case f.id == fieldObjectEnd && inMemo:
			inMemo = false
		case f.id == fieldMemoData && inMemo:
			memos = append(memos, string(f.value))
		case !inMemo || f.id.typ != typeBlob:
			return nil, nil, errors.New("there is something else than memos among them")
		}
	}
	return nil, nil, errCut
}
