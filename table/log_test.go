package table

import (
	"fmt"
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
