package table

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/query"
)

// No service is reached in the clear on another machine, whoever names its endpoint.
func TestEveryEndpointIsChecked(t *testing.T) {
	for _, service := range []string{"DYNAMODB", "DYNAMODB_STREAMS", "APPLICATION_AUTO_SCALING", "S3", "STS", "SSO", "SSO_OIDC", "SIGNIN"} {
		t.Run(service, func(t *testing.T) {
			t.Setenv("AWS_ENDPOINT_URL_"+service, "http://elsewhere.example.com")
			_, err := Open(t.Context(), "", "orders", AccountOptions{Region: "eu-west-1"})
			requireKind(t, err, Usage)
			if !strings.Contains(err.Error(), "http://elsewhere.example.com would send everything in the clear") {
				t.Fatal(err)
			}
			t.Setenv("AWS_ENDPOINT_URL_"+service, "http://127.0.0.1:1")
			if _, err := Open(t.Context(), "", "orders", AccountOptions{Region: "eu-west-1"}); err != nil {
				t.Fatalf("on this machine: %v", err)
			}
		})
	}
}

// A redirect is an answer like any other that is no success: nothing is sent to where it points.
func TestNoRedirectIsFollowed(t *testing.T) {
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "DescribeTable") && strings.HasPrefix(r.URL.Path, "/good") {
					w.Header().Set("Content-Type", "application/x-amz-json-1.0")
					fmt.Fprint(w, `{"Table":{"TableName":"orders","TableStatus":"ACTIVE","TableId":"1","TableArn":"arn:aws:dynamodb:eu-west-1:111111111111:table/orders",`+
						`"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}]}}`)
					return
				}
				http.Redirect(w, r, elsewhere.URL, status)
			}))
			t.Cleanup(here.Close)
			file := filepath.Join(t.TempDir(), "config")
			text := "[profile keys]\nregion = eu-west-1\naws_access_key_id = AKID\naws_secret_access_key = secret\n" +
				"[profile role]\nregion = eu-west-1\nrole_arn = arn:aws:iam::111111111111:role/x\nsource_profile = keys\nendpoint_url = " + here.URL + "\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_CONFIG_FILE", file)

			t.Setenv("AWS_ENDPOINT_URL_S3", here.URL)
			t.Setenv("AWS_ENDPOINT_URL_STS", here.URL)
			data := open(t, "keys", "orders", AccountOptions{Endpoint: here.URL + "/good"})
			plan, err := data.PlanQuery(t.Context(), query.Query{Partition: "k", Stall: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			for _, err = range plan.Read(t.Context()) {
			}
			if err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) {
				t.Errorf("a query met %v", err)
			}
			_, err = open(t, "keys", "orders", AccountOptions{Endpoint: here.URL}).Describe(t.Context())
			requireKind(t, err, Failed)
			_, err = open(t, "role", "orders", AccountOptions{}).Describe(t.Context())
			if err == nil || !strings.Contains(err.Error(), "STS AssumeRole: HTTP status "+fmt.Sprint(status)) {
				t.Errorf("asking for credentials met %v", err)
			}
			if _, err := data.PlanRestore(t.Context(), "s3://bucket/prefix", CopyOptions{}); err == nil {
				t.Error("a dump was found behind a redirect")
			}
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", here.URL)
			if _, err := open(t, "", "orders", AccountOptions{Region: "eu-west-1", Endpoint: here.URL, Stall: time.Second}).Describe(t.Context()); err == nil {
				t.Error("credentials were found behind a redirect")
			}
			if n := followed.Load(); n != 0 {
				t.Errorf("%d requests followed a redirect", n)
			}
		})
	}
}
