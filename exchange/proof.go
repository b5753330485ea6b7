package exchange

import "encoding/base64"

// FirstPartyProof is a subject token of a type that is defined here, decoded.
// At the token endpoint such a token is base64url of a JSON object; a JSON
// endpoint reads the same members from its body.
type FirstPartyProof interface {
	// Size returns how many bytes the texts of the proof would have as base64url,
	// for the limit of subject tokens.
	Size() int
}

// UserAssertion is a confidential client's assertion about one of its own users
// ([TypeUserAssertion]).
type UserAssertion struct {
	ExternalUserID string
	Email          string
	EmailVerified  bool
	Name           string
}

// OTP is the response to a mailed code ([TypeOTP]), and perhaps to a second code,
// which was sent to the address of the user that the auth key has so far.
type OTP struct {
	EmailID, Code                 string
	PreviousEmailID, PreviousCode string // both or neither
}

// WalletSignature is the signature of a wallet over a challenge
// ([TypeWalletSignature]).
type WalletSignature struct {
	ChallengeID   string
	WalletAddress string
	WalletType    string // EVM, SOLANA or XRPL; empty: that of the challenge
	Signature     string
	PublicKey     string // empty where the signature or the address has it
}

// Size implements [FirstPartyProof].
func (a UserAssertion) Size() int { return encodedSize(a.ExternalUserID, a.Email, a.Name) }

// Size implements [FirstPartyProof].
func (o OTP) Size() int {
	return encodedSize(o.EmailID, o.Code, o.PreviousEmailID, o.PreviousCode)
}

// Size implements [FirstPartyProof].
func (w WalletSignature) Size() int {
	return encodedSize(w.ChallengeID, w.WalletAddress, w.WalletType, w.Signature, w.PublicKey)
}

func encodedSize(texts ...string) int {
	n := 0
	for _, t := range texts {
		n += len(t)
	}
	return base64.RawURLEncoding.EncodedLen(n)
}
