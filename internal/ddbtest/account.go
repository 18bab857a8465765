package ddbtest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// An Account is an engine that looks like an AWS account in one region.
type Account struct {
	Name   string // its profile
	ID     string // twelve digits
	Region string
	Proxy  *Proxy // what the program under test talks to

	world     *World
	keys      aws.Credentials
	engine    *process // nil where an endpoint was given
	engineURL string
	client    *dynamodb.Client
	idle      *http.Transport // of client; closed with the account
	schemas   schemas

	capacities capacities
	restores   restores
	targets    sync.Map // of Application Auto Scaling, by resource and dimension
}

func openAccount(ctx context.Context, w *World, spec accountSpec, endpoint string) (*Account, error) {
	a := &Account{Name: spec.name, ID: spec.id, Region: spec.region, world: w, engineURL: strings.TrimSuffix(endpoint, "/")}
	a.keys = w.keys.issue(a, "AKIA", 0)
	if endpoint == "" {
		path, err := EnginePath()
		if err != nil {
			return nil, err
		}
		a.engine, err = startProcess(ctx, path, func(port string) []string { return []string{"--port", port} })
		if err != nil {
			return nil, err
		}
		a.engineURL = a.engine.url
	}
	a.idle = &http.Transport{MaxIdleConnsPerHost: 64, ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10}
	a.client = a.newClient(a.engineURL, func(o *dynamodb.Options) {
		o.HTTPClient = &http.Client{Transport: a.idle}
		o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) { s.MaxBackoff = 100 * time.Millisecond })
	})
	var err error
	a.Proxy, err = openProxy(a)
	return a, err
}

func (a *Account) close() error {
	var errs []error
	if a.Proxy != nil {
		errs = append(errs, a.Proxy.close())
	}
	a.idle.CloseIdleConnections()
	a.engine.stop()
	return errors.Join(errs...)
}

// Client talks straight to the engine, past the proxy and its faults: to set
// up, and to ask what is true.
func (a *Account) Client() *dynamodb.Client { return a.client }

// ProxyClient makes a client that meets the proxy's faults, with the account's
// long-lived keys.
func (a *Account) ProxyClient(options ...func(*dynamodb.Options)) *dynamodb.Client {
	return a.newClient(a.Endpoint(), options...)
}

// BackupClient talks straight to the server that keeps the backups, to look
// into one by RestoreTableFromBackup there. It needs WithMoto.
func (a *Account) BackupClient() *dynamodb.Client {
	return a.newClient(a.world.moto.url, func(o *dynamodb.Options) {
		o.HTTPClient = withHeader{"X-Moto-Account-Id", a.ID}
	})
}

func (a *Account) newClient(endpoint string, options ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:       a.Region,
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.StaticCredentialsProvider{Value: a.keys},
	}, options...)
}

// Endpoint is the URL of the proxy, for DynamoDB and STS.
func (a *Account) Endpoint() string { return a.Proxy.url }

// EngineURL is the URL of the engine behind the proxy.
func (a *Account) EngineURL() string { return a.engineURL }

// Credentials are the account's long-lived keys.
func (a *Account) Credentials() aws.Credentials { return a.keys }

// RoleARN names the role that the profile NAME-role assumes.
func (a *Account) RoleARN() string { return "arn:aws:iam::" + a.ID + ":role/dynamo" }

// ExpireTokens ends all temporary credentials that AssumeRole has given out
// for this account. New ones work.
func (a *Account) ExpireTokens() { a.world.keys.expire(a) }

// withHeader is an HTTP client that adds one header.
type withHeader struct{ name, value string }

func (h withHeader) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set(h.name, h.value)
	return http.DefaultClient.Do(r)
}
