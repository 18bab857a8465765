package account

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
)

// load is what the SDK reads for a profile, once the files are as it is to read them.
func load(t *testing.T, profile, text, credentials string) (config.SharedConfig, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"config": text, "credentials": credentials} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	files, err := openFiles()
	if err != nil {
		return config.SharedConfig{}, err
	}
	defer func() {
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	}()
	return config.LoadSharedConfigProfile(t.Context(), profile, func(o *config.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles = files.config, files.credentials
	})
}

// What the AWS CLI does not take is refused, with the file and the line.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a header without its bracket", "[profile b]\nregion = x\n\n[profile c\nregion = y\n", "config: line 4: the section's name does not end"},
		{"and one whose rest could be a key", "[profile b]\n[profile c = d\n", "line 2: the section's name does not end"},
		{"a quote hides the bracket", "[profile 'c]'\nregion = y\n", "line 1: the section's name does not end"},
		{"a line that is nothing", "[profile b]\nregion = x\nand so on\n", "line 3: it is neither"},
		{"a key alone", "[profile b]\nregion\n", "line 2: it is neither"},
		{"one that only a comment makes a property", "[profile b]\nregion # = x\n", "line 2: it is neither"},
		{"an indented one below a header", "[profile b]\n  region\n", "line 2: it is neither"},
		{"an indented one in a nested value", "[services s]\ndynamodb =\n  endpoint_url\n", "line 3: it is neither"},
		{"a colon in a nested value", "[services s]\ndynamodb =\n  endpoint_url: u\n", "line 3: it is neither"},
		{"nothing before the =", "[profile b]\n = x\n", "line 2: there is nothing before"},
		{"before the first section", "# mine\nregion = x\n[default]\n", "line 2: it stands before the first"},
		{"no name", "[]\n", "line 1: the section has no name"},
		{"something behind the bracket", "[profile b] region = x\n", "line 1: there is something behind"},
		{"a section twice", "[profile b]\n[profile c]\n[profile b]\n", "line 3: the section [profile b] is there twice: it is in line 1"},
		{"and once in quotes", "[profile b]\n[profile 'b']\n", "line 2: the section [profile b] is there twice"},
		{"a key twice", "[profile b]\nregion = x\n# or\nRegion = y\n", "line 4: region is there twice in a section: it is in line 2"},
		{"a byte order mark", "\ufeff[default]\n", "line 1: it begins with a byte order mark"},
		{"UTF-16", "\xff\xfe[\x00d\x00]\x00", "line 1: it is UTF-16"},
		{"UTF-16, the other way round", "\xfe\xff\x00[\x00d\x00]", "line 1: it is UTF-16"},
		{"Latin-1", "[default]\n# f\xfcr alle\n", "line 2: it is no text in UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, "b", c.text, "")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "/config: ") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := load(t, "b", "", "[b]\naws_access_key_id = a\nAKIA\n"); err == nil || !strings.Contains(err.Error(), "/credentials: line 3: ") || strings.Contains(err.Error(), "AKIA") {
		t.Errorf("in the credentials: got %v", err)
	}
}

// What the AWS CLI takes is read as it reads it, and what was read well stays so.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, profile, text string
		got                 func(config.SharedConfig) string
		want                string
	}{
		{"a profile in single quotes", "my prod", "[profile 'my prod']\nregion = x\n", region, "x"},
		{"in double quotes", "my prod", "[profile \"my prod\"] # ours\nregion = x\n", region, "x"},
		{"behind a tab", "my prod", "[profile\t\"my prod\" ]\nregion = x\n", region, "x"},
		{"in none", "my prod", "[profile my prod]\nregion = x\n", region, "x"},
		{"with an apostrophe", "o'brien", "[profile o'brien]\nregion = x\n", region, "x"},
		{"an indented section", "b", "  [profile b]\n  region = x\n  output = json\n", region, "x"},
		{"a comment behind a header", "b", "[profile b] ; [profile c]\nregion = x\n", region, "x"},
		{"an inline comment", "b", "[profile b]\nregion = x # here\n", region, "x"},
		{"a value in quotes", "b", "[profile b]\nregion = \"x\"\n", region, "x"},
		{"a colon for an equals sign", "b", "[profile b]\nregion: x\n", region, "x"},
		{"Windows line ends", "b", "[profile b]\r\nregion = x\r\n", region, "x"},
		{"old Mac's", "b", "[profile b]\rregion = x\r", region, "x"},
		{"an indented key is a property", "b", "[profile b]\noutput = json\n  region = x\n", region, "x"},
		{"what is under a name that the SDK takes for a comment", "b", "[profile b]\nregion = x\n[profile a#b]\nregion = y\n", region, "x"},
		{"a session in quotes", "b", "[profile b]\nsso_session = My Corp\n[sso-session \"My Corp\"]\nsso_region = x\nsso_start_url = u\n",
			func(c config.SharedConfig) string { return c.SSOSession.SSOStartURL }, "u"},
		{"services in quotes", "b", "[profile b]\nservices = my own\n[services 'my own']\ndynamodb =\n  endpoint_url = u\n", endpoint("dynamodb"), "u"},
		{"services that are indented themselves", "b", "[profile b]\nservices = s\n[services s]\n  dynamodb =\n    endpoint_url = u\n  sts =\n    endpoint_url = v\n", endpoint("sts"), "v"},
		{"a process in quotes", "b", "[profile b]\ncredential_process = \"/opt/my tool/x\" --as \"my prod\"\n", command, `"/opt/my tool/x" --as "my prod"`},
		{"a process that is one quoted word", "b", "[profile b]\ncredential_process = '/opt/my tool' # mine\n", command, `'/opt/my tool'`},
		{"an indented process in quotes", "b", "[profile b]\nregion = x\n credential_process = \"/opt/my tool/x\" \"y\"\n", command, `"/opt/my tool/x" "y"`},
		{"a process without quotes", "b", "[profile b]\ncredential_process = tool --as b\n", command, "tool --as b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := load(t, c.profile, c.text, "")
			if err != nil || c.got(got) != c.want {
				t.Errorf("got %q, %v, want %q", c.got(got), err, c.want)
			}
		})
	}
	got, err := load(t, "my prod", "[default]\n", "[my prod]\naws_access_key_id = a\naws_secret_access_key = b\n")
	if err != nil || got.Credentials.AccessKeyID != "a" {
		t.Errorf("in the credentials: got %+v, %v", got.Credentials, err)
	}
}

func region(c config.SharedConfig) string  { return c.Region }
func command(c config.SharedConfig) string { return c.CredentialProcess }
func endpoint(service string) func(config.SharedConfig) string {
	return func(c config.SharedConfig) string { return c.Services.ServiceValues[service]["endpoint_url"] }
}

// A file that both read alike is handed on itself: no key is copied for nothing.
func TestNoCopy(t *testing.T) {
	text := "# mine\n[default]\nregion = x ; y\n\n[profile b]\nsource_profile = default\nrole_arn = \"r\"\ns3 =\n  addressing_style = path\n"
	got, err := normalise(text, false)
	if err != nil || got != text {
		t.Errorf("got %q, %v", got, err)
	}
	changed, err := normalise("[profile 'b']\nregion = x\n", false)
	if err != nil || changed != "[profile b]\nregion = x\n" {
		t.Errorf("got %q, %v", changed, err)
	}
}

// The copies are the user's own, and go.
func TestCopiesGo(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte("[profile 'a b']\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := openFiles()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{filepath.Dir(files.config[0]): 0o700, files.config[0]: 0o600} {
		if about, err := os.Stat(path); err != nil || about.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, about, err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(files.config[0]); !os.IsNotExist(err) {
		t.Errorf("the copy is still there: %v", err)
	}
}

// It says where it has looked, and looks where the AWS CLI does.
func TestLooked(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "")
	t.Setenv("WHERE", "there")
	t.Setenv("AWS_CONFIG_FILE", "~/$WHERE/config")
	files, err := openFiles()
	if err != nil {
		t.Fatal(err)
	}
	want := dir + "/there/config (which is not there) and " + dir + "/.aws/credentials (which is not there)"
	if files.looked() != want || !reflect.DeepEqual(files.config, []string{dir + "/there/config"}) {
		t.Errorf("looked at %s; the SDK reads %q", files.looked(), files.config)
	}
}

func TestInForce(t *testing.T) {
	for _, c := range [][4]string{{"a", "b", "c", "a"}, {"", "b", "c", "b"}, {"", "", "c", "c"}, {"", "", "", ""}} {
		t.Setenv("AWS_PROFILE", c[1])
		t.Setenv("AWS_DEFAULT_PROFILE", c[2])
		if got := InForce(c[0]); got != c[3] {
			t.Errorf("%q, AWS_PROFILE=%s, AWS_DEFAULT_PROFILE=%s: got %q, want %q", c[0], c[1], c[2], got, c[3])
		}
	}
}
