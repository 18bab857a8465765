package ddbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A World is a set of AWS accounts on this machine. It is safe for concurrent use.
type World struct {
	ConfigDir string // holds AWS's config and credentials files
	StateDir  string // XDG_STATE_HOME of the program under test: new, and empty at first

	home     string
	ctx      context.Context
	cancel   context.CancelFunc
	accounts []*Account
	keys     *keyring
	moto     *process
	s3       *S3 // nil without moto
	settings settings
	closing  sync.Once
}

// An Option changes what Start and Open make.
type Option func(*settings)

type settings struct {
	accounts   []accountSpec
	moto       bool
	seed       uint64
	signatures bool
	noWriteLog bool
	pageItems  int
}

type accountSpec struct{ name, id, region string }

// WithAccount adds an account to prod (111111111111) and dev (222222222222),
// both in eu-west-1, or replaces the one of that name.
func WithAccount(name, id, region string) Option {
	return func(s *settings) {
		spec := accountSpec{name, id, region}
		for i := range s.accounts {
			if s.accounts[i].name == name {
				s.accounts[i] = spec
				return
			}
		}
		s.accounts = append(s.accounts, spec)
	}
}

// WithMoto adds the backup operations, Application Auto Scaling and S3, which cost a
// Python process and seconds to start.
func WithMoto() Option { return func(s *settings) { s.moto = true } }

// WithSeed seeds what faults choose at random; the default is 1.
func WithSeed(seed uint64) Option { return func(s *settings) { s.seed = seed } }

// WithSignatures verifies every request's SigV4 signature and date.
func WithSignatures() Option { return func(s *settings) { s.signatures = true } }

// WithoutWriteLog keeps no log of single writes, for benchmarks: Writes is
// then empty and batches are not checked for twice the same key.
func WithoutWriteLog() Option { return func(s *settings) { s.noWriteLog = true } }

// WithPageItems has a scan in one piece answer pages of at most n items, so
// that a small table has many; the default is 2,000.
func WithPageItems(n int) Option { return func(s *settings) { s.pageItems = n } }

// Start makes a world that ends with the test. It fails the test if it cannot.
func Start(t testing.TB, options ...Option) *World {
	t.Helper()
	w, err := Open(context.Background(), t.TempDir(), options...)
	if err != nil {
		t.Fatalf("start the test accounts: %v", err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("stop the test accounts: %v", err)
		}
	})
	return w
}

// Open makes a world outside of a test. Its files go into dir, which the
// caller removes; Close stops its servers.
func Open(ctx context.Context, dir string, options ...Option) (*World, error) {
	s := settings{seed: 1, pageItems: 2000, accounts: []accountSpec{
		{"prod", "111111111111", "eu-west-1"},
		{"dev", "222222222222", "eu-west-1"},
	}}
	for _, o := range options {
		o(&s)
	}
	w := &World{
		ConfigDir: filepath.Join(dir, "aws"), StateDir: filepath.Join(dir, "state"), home: filepath.Join(dir, "home"),
		settings: s, keys: newKeyring(),
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	if err := w.open(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) open(ctx context.Context) error {
	for _, dir := range []string{w.ConfigDir, w.StateDir, w.home} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if w.settings.moto {
		path, err := motoPath()
		if err != nil {
			return err
		}
		w.moto, err = startProcess(ctx, path, func(port string) []string { return []string{"-H", "127.0.0.1", "-p", port} })
		if err != nil {
			return err
		}
		if w.s3, err = openS3(w); err != nil {
			return err
		}
	}
	endpoints := []string{os.Getenv("DYNAMO_TEST_ENDPOINT_A"), os.Getenv("DYNAMO_TEST_ENDPOINT_B")}
	for i, spec := range w.settings.accounts {
		endpoint := ""
		if i < len(endpoints) {
			endpoint = endpoints[i]
		}
		account, err := openAccount(ctx, w, spec, endpoint)
		if account != nil {
			w.accounts = append(w.accounts, account)
		}
		if err != nil {
			return fmt.Errorf("open account %s: %w", spec.name, err)
		}
	}
	return w.writeConfig()
}

// Account returns the account of that name. It panics if there is none: a test's own mistake.
func (w *World) Account(name string) *Account {
	for _, a := range w.accounts {
		if a.Name == name {
			return a
		}
	}
	panic("ddbtest: no account " + name)
}

// Close stops the proxies and engines.
func (w *World) Close() error {
	var errs []error
	w.closing.Do(func() {
		w.cancel()
		for _, a := range w.accounts {
			errs = append(errs, a.close())
		}
		errs = append(errs, w.s3.close())
		w.moto.stop()
	})
	return errors.Join(errs...)
}

// Env is the whole environment of the program under test: the world's AWS
// files, a home of its own, and nothing of the caller's but PATH.
func (w *World) Env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + w.home,
		"XDG_STATE_HOME=" + w.StateDir,
		"AWS_CONFIG_FILE=" + filepath.Join(w.ConfigDir, "config"),
		"AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(w.ConfigDir, "credentials"),
		"AWS_EC2_METADATA_DISABLED=true",
	}
}
