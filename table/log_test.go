package table

import (
	"crypto/sha1"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a role is assumed with is struck out like what is used in the end.
func TestChainedCredentialsAreHidden(t *testing.T) {
	const token, id = "base-session-token-0123456789", "AKIABASEBASEBASE"
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not with %s, nor %s</Message></Error></ErrorResponse>",
			r.Header.Get("X-Amz-Security-Token"), id)
	}))
	t.Cleanup(echo.Close)
	file := filepath.Join(t.TempDir(), "config")
	text := "[profile base]\naws_access_key_id = " + id + "\naws_secret_access_key = secret\naws_session_token = " + token + "\n" +
		"[profile role]\nregion = eu-west-1\nrole_arn = arn:aws:iam::111111111111:role/x\nsource_profile = base\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", file)
	t.Setenv("AWS_ENDPOINT_URL_STS", echo.URL)
	_, err := open(t, "role", "orders", AccountOptions{}).Describe(t.Context())
	requireKind(t, err, Denied)
	if !strings.Contains(err.Error(), "AccessDenied: not with ***, nor ***") {
		t.Errorf("got %v", err)
	}
}

// Nor does it say what credentials are asked for with: each of these is as good as them.
func TestWhatIsAskedWithIsHidden(t *testing.T) {
	home := t.TempDir()
	file := func(path, text string) string {
		t.Helper()
		path = filepath.Join(home, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	session := func(name, expires string) {
		file(fmt.Sprintf(".aws/sso/cache/%x.json", sha1.Sum([]byte(name))), `{"startUrl":"https://x.awsapps.com/start","region":"eu-west-1","accessToken":"CANARY-ACCESS",`+
			`"expiresAt":"`+expires+`","refreshToken":"CANARY-REFRESH","clientId":"client","clientSecret":"CANARY-CLIENT","registrationExpiresAt":"2100-01-01T00:00:00Z"}`)
	}
	session("valid", "2100-01-01T00:00:00Z")
	session("over", "2020-01-01T00:00:00Z")
	sso := func(name string) string {
		return "[profile " + name + "]\nregion = eu-west-1\nsso_session = " + name + "\nsso_account_id = 111111111111\nsso_role_name = x\n" +
			"[sso-session " + name + "]\nsso_region = eu-west-1\nsso_start_url = https://x.awsapps.com/start\n"
	}
	t.Setenv("HOME", home)
	t.Setenv("AWS_CONFIG_FILE", file("config", sso("valid")+sso("over")+
		"[profile web]\nregion = eu-west-1\nrole_arn = arn:aws:iam::111111111111:role/x\nweb_identity_token_file = "+file("web", "CANARY.WEB.TOKEN")+"\n"))
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		text := fmt.Sprintf("no: %s %s %s", r.Header.Get("Authorization"), r.Header.Get("X-Amz-Sso_bearer_token"), body)
		if at := strings.Index(text, "WebIdentityToken="); at > 0 {
			text = text[at+len("WebIdentityToken="):]
		}
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") == "" && strings.Contains(string(body), "Action=") {
			w.Header().Set("Content-Type", "text/xml")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, "<ErrorResponse><Error><Code>ValidationError</Code><Message>no: Value '%s'</Message></Error></ErrorResponse>", text)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":"ValidationException","code":"ValidationException","message":%q,"error_description":%q}`, text, text)
	}))
	t.Cleanup(echo.Close)
	for _, service := range []string{"STS", "SSO", "SSO_OIDC"} {
		t.Setenv("AWS_ENDPOINT_URL_"+service, echo.URL)
	}
	for _, profile := range []string{"web", "valid", "over", ""} {
		t.Run(profile, func(t *testing.T) {
			if profile == "" {
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", echo.URL)
				t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "CANARY-CONTAINER")
			}
			_, err := open(t, profile, "orders", AccountOptions{Region: "eu-west-1"}).Describe(t.Context())
			if err == nil || !strings.Contains(err.Error(), "no: ") || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("got %v", err)
			}
		})
	}
}
