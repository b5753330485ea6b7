package endpoint

import (
	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/server"
	"cambio/jwks/strictjson"
)

// otp exchanges a mailed code for tokens, and links the auth key to the user.
func (Config) otp() server.Endpoint {
	return server.Endpoint{
		Name: "otp", Path: "/auth/otp/email:authenticate", Event: "token", Caller: server.JSONClient, Browsers: true,
		Steps: server.TokenSteps[struct{}]{
			GrantType: exchange.GrantTokenExchange, SubjectTokenType: exchange.TypeOTP,
			Read: func(body server.Body, _ *struct{}, t *grant.Request) error {
				var proof exchange.OTP
				err := readMembers(body, t,
					server.Member{Name: "emailId", Into: &proof.EmailID, Required: true},
					server.Member{Name: "otp", Into: &proof.Code, Number: true, Required: true},
					server.Member{Name: "previousEmailId", Into: &proof.PreviousEmailID},
					server.Member{Name: "previousOtp", Into: &proof.PreviousCode, Number: true},
				)
				t.SubjectProof = proof
				return err
			},
			Write: func(b strictjson.Buffer, _ *server.Request, _ *struct{}, res *grant.Response) strictjson.Buffer {
				return appendResponse(b, res, "")
			},
		},
	}
}
