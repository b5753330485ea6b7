package subject

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"cambio/exchange"
	"cambio/exchange/keylogin"
	"cambio/exchange/walletlogin"
)

// echo proves every code and no wallet, and names in its results what it was asked.
type echo struct{ Wallets }

func (echo) VerifyToken(context.Context, *exchange.Client, string, string, string, time.Time) (keylogin.Verified, error) {
	return keylogin.Verified{}, nil
}

func (echo) VerifyCode(_ context.Context, _ *exchange.Client, r keylogin.CodeProof, _ time.Time) (keylogin.Verified, error) {
	return keylogin.Verified{Address: r.ID + r.Code, Key: r.PreviousID + r.PreviousCode}, nil
}

func (echo) Challenge(_ context.Context, id string, _ *exchange.Client, _ time.Time) (walletlogin.Challenge, error) {
	return walletlogin.Challenge{}, &exchange.Error{Reason: exchange.ReasonChallengeInvalid, Description: id}
}

// FuzzSpellingsOfProofs: a first-party proof passes the same checks whether it
// comes decoded or as base64url of JSON.
func FuzzSpellingsOfProofs(f *testing.F) {
	f.Add("u-1", "u@example.com", "\u00dc <1>", "", "", true)
	f.Add("a\"b\\\u0001", "", "😀", "x", "", false)
	f.Add("mail.1.x", "123456", "", "", "", false)
	f.Add("mail.1.x", "123456", "mail.1.y", "654321", "", false)
	f.Add("mail.1.x", "123456", "", "654321", "", false)
	f.Add("challenge.x", "0x1", "EVM", "0x2", "key", false)
	v := New(Config{
		Issuers: func() Issuers { return issuers{} }, FirstParty: noAccessTokens{}, OwnIssuer: ownURL, Requests: echo{}, Wallets: echo{},
		Contracts: noContracts{},
	})
	f.Fuzz(func(t *testing.T, a, b, c, d, e string, flag bool) {
		for _, s := range []string{a, b, c, d, e} {
			if !utf8.ValidString(s) || len(s) > 1000 {
				return // not what a decoded proof can hold
			}
		}
		for typ, proof := range map[string]exchange.FirstPartyProof{
			exchange.TypeUserAssertion:   exchange.UserAssertion{ExternalUserID: a, Email: b, Name: c, EmailVerified: flag},
			exchange.TypeOTP:             exchange.OTP{EmailID: a, Code: b, PreviousEmailID: c, PreviousCode: d},
			exchange.TypeWalletSignature: exchange.WalletSignature{ChallengeID: a, WalletAddress: b, WalletType: c, Signature: d, PublicKey: e},
		} {
			if proof.Size() == 0 {
				continue // a body without anything is refused as such; its JSON is not empty
			}
			decoded := exchange.SubjectToken{Type: typ, Proof: proof, Client: asserting()}
			text := exchange.SubjectToken{Type: typ, Text: spelled(t, proof), Client: asserting()}
			var r1, r2 exchange.Recorder
			s1, _, err1 := v.Verify(t.Context(), decoded, &r1, time.Unix(1_700_000_000, 0))
			s2, _, err2 := v.Verify(t.Context(), text, &r2, time.Unix(1_700_000_000, 0))
			// Reading the text is a check of its own.
			checks2 := slices.DeleteFunc(r2.Checks, func(c exchange.Check) bool { return c.Name == "form" })
			if !reflect.DeepEqual(s1, s2) || !reflect.DeepEqual(err1, err2) || !reflect.DeepEqual(r1.Checks, checks2) {
				t.Errorf("%+v: decoded %+v, %v; as text %+v, %v; checks %v and %v", proof, s1, err1, s2, err2, r1.Checks, checks2)
			}
		}
	})
}

type noContracts struct{ Contracts }

// spelled returns a proof as it comes to the token endpoint.
func spelled(t *testing.T, proof exchange.FirstPartyProof) string {
	t.Helper()
	var m any
	switch p := proof.(type) {
	case exchange.UserAssertion:
		m = map[string]any{"externalUserId": p.ExternalUserID, "email": p.Email, "emailVerified": p.EmailVerified, "name": p.Name}
	case exchange.OTP:
		m = map[string]any{"emailId": p.EmailID, "otp": p.Code, "previousEmailId": p.PreviousEmailID, "previousOtp": p.PreviousCode}
	case exchange.WalletSignature:
		m = map[string]any{
			"challengeId": p.ChallengeID, "walletAddress": p.WalletAddress, "walletType": p.WalletType,
			"signature": p.Signature, "publicKey": p.PublicKey,
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b64(text)
}

func TestProofRecordsRequiredMembersThatPass(t *testing.T) {
	v := New(Config{
		Issuers: func() Issuers { return issuers{} }, FirstParty: noAccessTokens{}, OwnIssuer: ownURL, Requests: echo{}, Wallets: echo{},
		Contracts: noContracts{},
	})
	for _, row := range []struct {
		token exchange.SubjectToken
		want  []string
	}{
		{exchange.SubjectToken{Type: exchange.TypeOneTimeToken, Text: "token", RequestID: "r-1"}, []string{"request_id"}},
		{
			exchange.SubjectToken{Type: exchange.TypeOTP, Proof: exchange.OTP{EmailID: "m-1", Code: "123456", PreviousEmailID: "m-2", PreviousCode: "654321"}},
			[]string{"emailId", "otp", "previousOtp", "previousEmailId"},
		},
		{
			exchange.SubjectToken{Type: exchange.TypeWalletSignature, Proof: exchange.WalletSignature{ChallengeID: "c", WalletAddress: "0x1", Signature: "0x2"}},
			[]string{"challengeId", "walletAddress", "signature"},
		},
	} {
		row.token.Client = asserting()
		var r exchange.Recorder
		_, _, _ = v.Verify(t.Context(), row.token, &r, time.Unix(1_700_000_000, 0))
		for _, name := range row.want {
			i := slices.IndexFunc(r.Checks, func(c exchange.Check) bool { return c.Name == name })
			if i < 0 || !r.Checks[i].Passed || r.Checks[i].Got != "present" {
				t.Errorf("%s: %s is not recorded as present in %v", row.token.Type, name, r.Checks)
			}
		}
	}
}
