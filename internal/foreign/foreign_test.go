package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"
)

func TestText(t *testing.T) {
	Hide("AKIAEXAMPLEEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPx", "short")
	for _, c := range []struct{ name, text, want string }{
		{"plain words stay", "User: arn:aws:iam::1:user/x is not authorized to perform: dynamodb:Scan", ""},
		{"an error's code is no secret's name", "ExpiredTokenException: The security token included in the request is expired", ""},
		{"nor is a list of what is missing", "CredentialsUnavailable: no valid credentials: none", ""},
		{"what was signed", "It does not match.\n\nThe Canonical String for this request should have been\n'POST\n/\nx-amz-security-token:abc'", "It does not match.…"},
		{"what was signed, of S3", "no match <StringToSign>AWS4-HMAC-SHA256", "no match <…"},
		{"headers", "bad header x-amz-security-token:abc", "bad header…"},
		{"an authorization", "requires 'Credential'. Authorization=AWS4-HMAC-SHA256 Credential=abc", "requires 'Credential'.…"},
		{"a key in use", "the key AKIAEXAMPLEEXAMPLE is unknown", "the key *** is unknown"},
		{"a key in use, in a URL", "?k=wJalrXUtnFEMI%2FK7MDENG%2BbPx&", "?k=***&"},
		{"a short value is a word", "a short one", ""},
		{"a credentials file", "line 3: aws_secret_access_key = abc/def", "line 3: aws_secret_access_key = ***"},
		{"JSON", `{"SecretAccessKey": "abc\"", "SessionToken":"x"}`, `{"SecretAccessKey": "***\"", "SessionToken":"***"}`},
		{"XML", "<Credentials><SecretAccessKey>abc/def</SecretAccessKey><SessionToken>x", "<Credentials><SecretAccessKey>***</SecretAccessKey><SessionToken>***"},
		{"a form", "Action=x&Signature=abc&Version=1", "Action=x&Signature=***&Version=1"},
		{"a password in a URL", "Get \"https://me:pa@ss@proxy:1/x\": EOF", "Get \"https://***@proxy:1/x\": EOF"},
		{"lines", "one\r\ntwo\nthree", "one two three"},
		{"no UTF-8", "a\xff", "a\uFFFD"},
	} {
		if c.want == "" {
			c.want = c.text
		}
		got := Text(c.text)
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if again := Text(got); again != got {
			t.Errorf("%s: %q the second time, after %q", c.name, again, got)
		}
	}
	if n := len([]rune(Text(strings.Repeat("é", 1000)))); n != most {
		t.Errorf("%d characters are left of 1000", n)
	}
}

func TestErrorKeepsWhatItIs(t *testing.T) {
	if Error(nil) != nil {
		t.Error("no error became one")
	}
	if plain := io.ErrUnexpectedEOF; Error(plain) != plain { //nolint:errorlint // the very same
		t.Error("an error without secrets was changed")
	}
	raw := &smithy.GenericAPIError{Code: "SignatureDoesNotMatch", Message: "No.\nThe Canonical String should have been x-amz-security-token:abc"}
	err := Error(&smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: raw})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != raw.Code || api.ErrorMessage() != "No.…" {
		t.Errorf("the answer is %v", api)
	}
	if !errors.Is(err, raw) || strings.Contains(err.Error(), "abc") {
		t.Errorf("got %v", err)
	}
	if again := Error(fmt.Errorf("scan: %w", err)); again.Error() != "scan: "+err.Error() {
		t.Errorf("the second time it is %v", again)
	}
}

// The SDK's error holds all that the program printed.
func TestErrorOfAProgram(t *testing.T) {
	for _, output := range []string{
		`{"SecretAccessKey":"CANARY`, `CANARY`, `{"SecretAccessKey":{"CANARY":1}}`, `{"Version":"CANARY"}`, `{"Expiration":"CANARY"}`, `["CANARY"]`, ``,
	} {
		_, err := processcreds.NewProviderCommand(processcreds.DefaultNewCommandBuilder{Args: []string{"printf %s '" + output + "'"}}).Retrieve(t.Context())
		text := Error(fmt.Errorf("get identity: %w", err)).Error()
		if strings.Contains(text, "CANARY") || !strings.HasPrefix(text, "credential_process: ") {
			t.Errorf("%s: %s", output, text)
		}
	}
	_, err := processcreds.NewProviderCommand(processcreds.DefaultNewCommandBuilder{Args: []string{"exit 3"}}).Retrieve(t.Context())
	if text := Error(err).Error(); text != "credential_process: exit status 3" {
		t.Error(text)
	}
	if kind := (*json.SyntaxError)(nil); !errors.As(Error(&processcreds.ProviderError{Err: fmt.Errorf("parse failed %w", &json.SyntaxError{Offset: 9})}), &kind) {
		t.Error("the cause is lost")
	}
	if at := (*time.ParseError)(nil); !errors.As(Error(&processcreds.ProviderError{Err: fmt.Errorf("parse failed %w", &time.ParseError{})}), &at) {
		t.Error("the cause is lost")
	}
}
