package account

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// files are AWS's two shared files, as the SDK is to read them. Close them once it has.
type files struct {
	config      []string // the file itself, or a copy that the SDK reads as the AWS CLI reads the file
	credentials []string // likewise

	lookedAt []string // in words
	copies   string   // directory of the copies; "" for none
}

// Where the files are, if not in ~/.aws.
const (
	configVariable      = "AWS_CONFIG_FILE"
	credentialsVariable = "AWS_SHARED_CREDENTIALS_FILE"
)

// openFiles reads both files, where the environment says they are, else in ~/.aws. The error names
// the file and the line that the AWS CLI would not take. A file that is not there is none.
func openFiles() (*files, error) {
	f := new(files)
	var err error
	f.config, err = f.open(configVariable, "config", false)
	if err == nil {
		f.credentials, err = f.open(credentialsVariable, "credentials", true)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// looked says at which files it was looked, for where something is not in them.
func (f *files) looked() string { return strings.Join(f.lookedAt, " and ") }

// Close removes the copies, which may hold keys.
func (f *files) Close() error {
	if f.copies == "" {
		return nil
	}
	return os.RemoveAll(f.copies)
}

// open reads the file that the variable names, and returns what the SDK is to read in its place.
func (f *files) open(variable, name string, credentials bool) ([]string, error) {
	path := place(variable, name)
	if path == "" { // the SDK would look into the working directory
		f.lookedAt = append(f.lookedAt, "~/.aws/"+name+" (there is no home directory, set HOME)")
		return []string{}, nil
	}
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.lookedAt = append(f.lookedAt, path+" (which is not there)")
		return []string{path}, nil
	case err != nil: // the AWS CLI goes on without it, too
		f.lookedAt = append(f.lookedAt, path+" (which cannot be read)")
		return []string{path}, nil
	}
	f.lookedAt = append(f.lookedAt, path)
	text, err := normalise(string(raw), credentials)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if text == string(raw) {
		return []string{path}, nil
	}
	path, err = f.copy(name, text)
	return []string{path}, err
}

// copy writes what the SDK is to read instead of a file.
func (f *files) copy(name, text string) (string, error) {
	if f.copies == "" {
		dir, err := os.MkdirTemp(os.Getenv("XDG_RUNTIME_DIR"), "dynamo-") // which is in memory, and the user's own
		if err != nil {
			dir, err = os.MkdirTemp("", "dynamo-")
		}
		if err != nil {
			return "", fmt.Errorf("copy the %s file: %w", name, err)
		}
		f.copies = dir
	}
	path := filepath.Join(f.copies, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("copy the %s file: %w", name, err)
	}
	return path, nil
}

// place is where a file is, or "" where there is no home directory.
func place(variable, name string) string {
	switch path := expand(os.Getenv(variable)); {
	case path != "":
		return path
	case home() == "":
		return ""
	}
	return filepath.Join(home(), ".aws", name)
}

// expand puts variables and the home directory into a path, as the AWS CLI does: a variable that is
// not set stays.
func expand(path string) string {
	path = os.Expand(path, func(name string) string {
		if value, ok := os.LookupEnv(name); ok {
			return value
		}
		return "$" + name
	})
	if rest, ok := strings.CutPrefix(path, "~/"); ok && home() != "" {
		return filepath.Join(home(), rest)
	}
	return path
}

// home is the user's home directory, or "".
func home() string {
	if dir, err := os.UserHomeDir(); err == nil {
		return dir
	}
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return ""
}
