//go:build !windows

package account

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// A program for credentials that says nothing ends the call in time, whether it hangs itself or
// what it has begun holds its output, and whether they are wanted for DynamoDB or for a role. It is
// no reason to log in again.
func TestSilentProcess(t *testing.T) {
	for _, c := range []struct{ name, command, profile string }{
		{"hangs", "exec sleep 30", "keys"},
		{"waits for another", "sleep 30; true", "keys"},
		{"hangs, for a role", "exec sleep 30", "role"},
		{"waits for another, for a role", "sleep 30; true", "role"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program, file := filepath.Join(dir, "program"), filepath.Join(dir, "config")
			text := "[profile keys]\nregion = eu-west-1\ncredential_process = " + program + "\n" +
				"[profile role]\nregion = eu-west-1\nrole_arn = arn:aws:iam::111111111111:role/x\nsource_profile = keys\n"
			if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), os.WriteFile(program, []byte("#!/bin/sh\nexec 2>/dev/null\n"+c.command+"\n"), 0o700)); err != nil {
				t.Fatal(err)
			}
			p := &Patience{Stall: time.Second}
			cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedConfigFiles([]string{file}), config.WithSharedCredentialsFiles(nil),
				config.WithSharedConfigProfile(c.profile), config.WithHTTPClient(service(func(r *http.Request) (*http.Response, error) { return answer(r), nil })), p.Equip)
			if err != nil {
				t.Fatal(err)
			}
			p.Adopt(&cfg)
			began := time.Now()
			_, err = describe(t.Context(), dynamodb.NewFromConfig(cfg))
			if took := time.Since(began); err == nil || took > 20*time.Second {
				t.Fatalf("after %s: %v", took, err)
			}
			if class := Classify(err); class != Transient {
				t.Errorf("class %d of %v", class, err)
			}
			if text := Explain(err).Error(); !strings.HasPrefix(text, "gave up after ") || !strings.HasSuffix(text, "credential_process: no answer within 3s") {
				t.Errorf("%q", text)
			}
		})
	}
}
