package subject

import (
	"context"
	"errors"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/wallet"
	"cambio/exchange/walletlogin"
)

// Wallets are the challenges for wallets. Errors are of type *exchange.Error or
// the store's own.
type Wallets interface {
	// Challenge returns the challenge with a challengeId, if the client may answer
	// it.
	Challenge(ctx context.Context, challengeID string, client *exchange.Client, now time.Time) (walletlogin.Challenge, error)
	// CountFailure counts a signature that is not the account's.
	CountFailure(ctx context.Context, c walletlogin.Challenge, now time.Time) error
}

// Contracts validates a signature by the contract at an account's address, through
// the JSON-RPC endpoint at url (EIP-1271). Errors wrap those of package wallet.
type Contracts interface {
	Verify(ctx context.Context, url string, a wallet.Account, message, signature string) error
}

// walletSignature accepts a wallet's signature over a challenge: base64url JSON
// {challengeId, walletAddress, signature, publicKey?, walletType?}.
//
// The subject is the account by its CAIP-10 identifier, in the client's own
// namespace. The user is that of the client session, if the backend that opened
// it named one or another account was proven in it before. The proof's key is the
// client secret that opened the session.
func (v *Verifier) walletSignature(ctx context.Context, r *recorder, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	client := r.presenter(token)
	if client == nil {
		return nil, nil
	}
	issuer := exchange.FirstPartyIssuer(client, token.Type)
	w := r.walletProof(token)
	c := v.walletChallenge(ctx, r, w.ChallengeID, client, now)
	if r.Refused() {
		return nil, issuer
	}
	r.sameWallet(c.Account, w)
	v.accountSignature(ctx, r, client, c, wallet.Proof{Signature: w.Signature, PublicKey: w.PublicKey}, now)
	if r.Refused() {
		return nil, issuer
	}
	token.Credential = c.Session.Credential
	s := r.firstPartySubject(issuer, exchange.FirstPartyClaims(c.Account.String(), "", false, ""), token)
	s.Proof.Challenge, s.Proof.AuthTime, s.Proof.AMR = c.Name, now.Unix(), []string{"pop"} // RFC 8176 §2
	s.Identities = sessionIdentities(client, c)
	return s, issuer
}

// walletProof returns the decoded proof.
func (r *recorder) walletProof(token exchange.SubjectToken) exchange.WalletSignature {
	w, decoded := token.Proof.(exchange.WalletSignature)
	if !decoded {
		r.decodeProof(token.Text, map[string]any{
			"challengeId": &w.ChallengeID, "walletAddress": &w.WalletAddress, "walletType": &w.WalletType,
			"signature": &w.Signature, "publicKey": &w.PublicKey,
		})
	}
	r.required("challengeId", "a string", w.ChallengeID)
	r.required("walletAddress", "a string", w.WalletAddress)
	r.required("signature", "a string", w.Signature)
	return w
}

func (v *Verifier) walletChallenge(ctx context.Context, r *recorder, id string, client *exchange.Client, now time.Time) (c walletlogin.Challenge) {
	if r.Refused() {
		return c
	}
	c, err := v.cfg.Wallets.Challenge(ctx, id, client, now)
	r.challenge("challengeId", "the current challenge of a client session", err)
	return c
}

// sameWallet requires the wallet for which the challenge was made.
func (r *recorder) sameWallet(a wallet.Account, w exchange.WalletSignature) {
	canonical, _ := wallet.ParseAddress(a.Type(), w.WalletAddress) // an invalid address is empty
	r.Check(exchange.Check{
		Name: "walletAddress", Want: a.Address, Got: w.WalletAddress,
		Passed: canonical == a.Address, Reason: exchange.ReasonParameterInvalid, Message: "walletAddress is not that of the challenge",
	})
	r.Check(exchange.Check{
		Name: "walletType", Want: string(a.Type()), Got: w.WalletType,
		Passed: w.WalletType == "" || strings.EqualFold(w.WalletType, string(a.Type())), Reason: exchange.ReasonParameterInvalid,
		Message: "walletType is not that of the challenge",
	})
}

// accountSignature verifies the signature, and counts one that is not the
// account's.
func (v *Verifier) accountSignature(ctx context.Context, r *recorder, client *exchange.Client, c walletlogin.Challenge, p wallet.Proof, now time.Time) {
	if r.Refused() {
		return
	}
	err := v.verifyAccount(ctx, client, c, p)
	if err != nil && exchange.AsError(err).Reason == exchange.ReasonWalletSignatureInvalid {
		if failed := v.cfg.Wallets.CountFailure(ctx, c, now); failed != nil {
			err = failed
		}
	}
	r.challenge("signature", "that of "+c.Account.String()+" over the challenge", err)
}

// verifyAccount verifies with the account's key and, if that did not sign, by the
// contract at its address, if the operator registered an RPC endpoint for the
// chain.
func (v *Verifier) verifyAccount(ctx context.Context, client *exchange.Client, c walletlogin.Challenge, p wallet.Proof) error {
	err := wallet.Verify(c.Account, c.Message, p)
	url := client.Wallets.RPC[c.Account.Chain.String()]
	if url != "" && errors.Is(err, wallet.ErrSignature) {
		err = v.cfg.Contracts.Verify(ctx, url, c.Account, c.Message, p.Signature)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, wallet.ErrUnavailable):
		return exchange.Refuse(exchange.ReasonChainUnavailable, err)
	case errors.Is(err, wallet.ErrUndeployed):
		return &exchange.Error{
			Reason: exchange.ReasonWalletNotSupported, Err: err,
			Description: "contract wallets that are not deployed yet (EIP-6492) are not supported",
		}
	}
	refused := exchange.Refuse(exchange.ReasonWalletSignatureInvalid, err)
	if url == "" && c.Account.Type() == wallet.EVM {
		refused.Description = "the signature is not that of the wallet's key; contract wallets (EIP-1271) are not supported on " + c.Account.Chain.String()
	}
	return refused
}

// sessionIdentities returns the identities by which the client session finds the
// user.
func sessionIdentities(client *exchange.Client, c walletlogin.Challenge) []exchange.Identity {
	var found []exchange.Identity
	if id := c.Session.ExternalUserID; id != "" {
		found = append(found, exchange.Identity{Issuer: exchange.Namespace(exchange.TypeUserAssertion, client.ID), ID: id, FindsUser: true})
	}
	if first := c.Session.Account; first != "" && first != c.Account.String() {
		found = append(found, exchange.Identity{Issuer: exchange.Namespace(exchange.TypeWalletSignature, client.ID), ID: first, FindsUser: true})
	}
	return found
}
