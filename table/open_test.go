package table

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name, profile, table string
		access               AccountOptions
		want                 string
	}{
		{"no such profile", "nobody", "orders", AccountOptions{}, `profile "nobody" does not exist`},
		{"a name that is too short", "dev", "ab", AccountOptions{}, "not a table name"},
		{"an empty name", "dev", "", AccountOptions{}, "not a table name"},
		{"a path", "dev", "../orders", AccountOptions{}, "not a table name"},
		{"plain http elsewhere", "dev", "orders", AccountOptions{Endpoint: "http://dynamodb.example.com"}, "in the clear"},
		{"plain http on a private network", "dev", "orders", AccountOptions{Endpoint: "http://10.0.0.1:8000"}, "in the clear"},
		{"no URL", "dev", "orders", AccountOptions{Endpoint: "localhost:8000"}, "not an endpoint"},
		{"another scheme", "dev", "orders", AccountOptions{Endpoint: "ftp://localhost"}, "not an endpoint"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(t.Context(), c.profile, c.table, c.access)
			requireKind(t, err, Usage)
			if !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

// The order of truth for the region: the caller, the profile, the environment.
func TestRegion(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("[profile here]\nregion = eu-west-1\n[profile nowhere]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", file)
	for _, c := range []struct {
		name, profile, environment, access, want string
		notice                                   bool
	}{
		{"the profile's own", "here", "", "", "eu-west-1", false},
		{"the environment does not move a profile", "here", "us-east-1", "", "eu-west-1", true},
		{"the caller does", "here", "us-east-1", "ap-south-1", "ap-south-1", false},
		{"the environment, where the profile is silent", "nowhere", "us-east-1", "", "us-east-1", false},
		{"without a profile", "", "us-east-1", "", "us-east-1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("AWS_REGION", c.environment)
			tab := open(t, c.profile, "orders", AccountOptions{Region: c.access})
			if tab.account.Region() != c.want || (len(tab.notices()) > 0) != c.notice {
				t.Fatalf("region %q, notice %q", tab.account.Region(), tab.notices())
			}
		})
	}
	t.Setenv("AWS_REGION", "")
	_, err := Open(t.Context(), "nowhere", "orders", AccountOptions{})
	requireKind(t, err, Usage)
}

// An endpoint that the caller gives wins over the profile's services section.
func TestEndpointOfTheCaller(t *testing.T) {
	tab := open(t, "dev", "orders", AccountOptions{Endpoint: "http://127.0.0.1:9"})
	if tab.account.Endpoint() != "http://127.0.0.1:9" {
		t.Fatalf("endpoint %q", tab.account.Endpoint())
	}
	if tab := open(t, "dev", "orders", AccountOptions{}); tab.account.Endpoint() != world.Account("dev").Endpoint() {
		t.Fatalf("endpoint %q is not the profile's", tab.account.Endpoint())
	}
}

// A role that needs a code: asked for once for all tables, and never of nobody.
func TestMFA(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	text := "[profile base]\naws_access_key_id = AKID\naws_secret_access_key = secret\n" +
		"[profile role]\nregion = eu-west-1\nrole_arn = arn:aws:iam::111111111111:role/x\nsource_profile = base\nmfa_serial = arn:aws:iam::111111111111:mfa/me\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", file)
	_, err := open(t, "role", "orders", AccountOptions{}).Describe(t.Context())
	requireKind(t, err, Denied)

	var asked []string
	tab := open(t, "role", "orders", AccountOptions{MFA: func(_, serial string) (string, error) {
		asked = append(asked, serial)
		return "", ErrNoMFA
	}})
	other, err := tab.account.Table("customers")
	if err != nil || other.Name() != "customers" {
		t.Fatalf("got %v, %v", other, err)
	}
	_, err = other.Describe(t.Context())
	requireKind(t, err, Denied)
	if len(asked) == 0 || asked[0] != "arn:aws:iam::111111111111:mfa/me" {
		t.Fatalf("asked for %q", asked)
	}
}
