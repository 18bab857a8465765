package ddbtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writeConfig writes the AWS config that a user of these accounts would have.
// The profile NAME-role takes temporary credentials from AssumeRole.
func (w *World) writeConfig() error {
	var config, credentials strings.Builder
	for _, a := range w.accounts {
		fmt.Fprintf(&config, "[profile %s]\nregion = %s\nservices = %s-local\n\n", a.Name, a.Region, a.Name)
		fmt.Fprintf(&config, "[profile %s-role]\nregion = %s\nservices = %s-local\nrole_arn = %s\nsource_profile = %s\n\n",
			a.Name, a.Region, a.Name, a.RoleARN(), a.Name)
		fmt.Fprintf(&config, "[services %s-local]\ndynamodb =\n  endpoint_url = %s\nsts =\n  endpoint_url = %s\napplication_auto_scaling =\n  endpoint_url = %s\n",
			a.Name, a.Endpoint(), a.Endpoint(), a.Endpoint())
		if w.s3 != nil {
			fmt.Fprintf(&config, "s3 =\n  endpoint_url = %s\n", w.s3.url)
		}
		config.WriteString("\n")
		fmt.Fprintf(&credentials, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n\n",
			a.Name, a.keys.AccessKeyID, a.keys.SecretAccessKey)
	}
	if err := os.WriteFile(filepath.Join(w.ConfigDir, "config"), []byte(config.String()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.ConfigDir, "credentials"), []byte(credentials.String()), 0o600)
}
