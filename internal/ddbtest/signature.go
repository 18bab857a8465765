package ddbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// scope is what a request's Authorization header says about its sender.
type scope struct{ keyID, region, service string }

func scopeOf(r *http.Request) scope {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	credential, _, _ := strings.Cut(rest, ",")
	parts := strings.Split(strings.TrimSpace(credential), "/")
	if len(parts) < 5 {
		return scope{}
	}
	return scope{keyID: parts[0], region: parts[2], service: parts[3]}
}

// checkSender answers requests whose keys are not good for this account. It
// returns nil for those that may pass.
func (p *Proxy) checkSender(r *request) *answer {
	s := scopeOf(r.http)
	key, expired, known := p.account.world.keys.find(s.keyID)
	switch {
	case s.keyID == "":
		return r.fail("MissingAuthenticationTokenException", "Request is missing Authentication Token")
	case !known, key.SessionToken != r.http.Header.Get("X-Amz-Security-Token"):
		return r.fail("UnrecognizedClientException", "The security token included in the request is invalid.")
	case expired:
		return r.fail("ExpiredTokenException", "The security token included in the request is expired")
	case p.account.world.settings.signatures && !signedBy(r, key, s):
		return r.fail("InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
	}
	r.key = key
	if r.sts {
		return nil
	}
	switch {
	case key.account != p.account:
		return r.fail("UnrecognizedClientException", "The security token included in the request is invalid.")
	case s.service != r.service():
		return r.fail("InvalidSignatureException", "Credential should be scoped to correct service: '"+r.service()+"'.")
	case s.region != p.account.Region && r.op == "ListTables":
		return jsonAnswer(http.StatusOK, []byte(`{"TableNames":[]}`))
	case s.region != p.account.Region:
		return r.fail("ResourceNotFoundException", "Requested resource not found")
	}
	return nil
}

// service is the name that the request must be signed for.
func (r *request) service() string {
	if r.scales {
		return "application-autoscaling"
	}
	return "dynamodb"
}

// signedBy signs the request again, with the SDK's own signer, and compares.
func signedBy(r *request, key issued, s scope) bool {
	given := r.http.Header.Get("Authorization")
	date, err := time.Parse("20060102T150405Z", r.http.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(date).Abs() > 15*time.Minute {
		return false
	}
	again, err := http.NewRequest(r.http.Method, "http://"+r.http.Host+r.http.URL.RequestURI(), nil)
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(given, "SignedHeaders=")
	names, _, _ := strings.Cut(rest, ",")
	for _, name := range strings.Split(names, ";") {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.http.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.http.Header.Values(name)
		}
	}
	sum := sha256.Sum256(r.wire)
	err = v4.NewSigner().SignHTTP(context.Background(), key.Credentials, again, hex.EncodeToString(sum[:]), s.service, s.region, date)
	return err == nil && again.Header.Get("Authorization") == given
}
