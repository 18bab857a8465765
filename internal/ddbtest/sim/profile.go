package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// WriteProfiles writes an AWS config directory with a profile for each side
// and returns the environment in which a client finds it. Endpoints stand in
// the profiles' services sections, as a user would write them.
func (s *Server) WriteProfiles(dir string) (env []string, err error) {
	var config, credentials strings.Builder
	for _, side := range []*Side{s.Source, s.Target} {
		c := side.config
		fmt.Fprintf(&config, "[profile %s]\nregion = %s\nservices = %s\n\n[services %s]\ndynamodb =\n  endpoint_url = %s\n\n",
			c.Profile, c.Region, c.Profile, c.Profile, side.URL())
		fmt.Fprintf(&credentials, "[%s]\naws_access_key_id = %s\naws_secret_access_key = simulated\n\n", c.Profile, c.KeyID)
	}
	files := []struct{ name, variable, text string }{
		{"config", "AWS_CONFIG_FILE", config.String()},
		{"credentials", "AWS_SHARED_CREDENTIALS_FILE", credentials.String()},
	}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, []byte(f.text), 0o600); err != nil {
			return nil, fmt.Errorf("write profiles: %w", err)
		}
		env = append(env, f.variable+"="+path)
	}
	if s.authority != nil {
		env = append(env, "AWS_CA_BUNDLE="+s.authority.file)
	}
	return append(env, "AWS_EC2_METADATA_DISABLED=true"), nil
}
