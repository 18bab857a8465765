package account

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/dynamo-cmdline/dynamo/internal/foreign"
)

// mayBePlain reports whether requests to the host may go unencrypted.
func (o Options) mayBePlain(host string) bool {
	return isLoopback(host) || slices.ContainsFunc(o.AllowHTTP, func(allowed string) bool { return strings.EqualFold(allowed, host) })
}

// Notices are what the user should know of how the account is reached; of none there is nothing to
// say.
func (a *Account) Notices() (list []string) {
	if a == nil {
		return nil
	}
	if a.notice != "" {
		list = append(list, a.notice)
	}
	if hosts := a.Options.AllowHTTP; len(hosts) > 0 {
		list = append(list, "plain http is allowed to "+strings.Join(hosts, ", ")+": keys and items go there in the clear")
	}
	return list
}

// checkAllowed refuses what is no host, and so would allow nothing.
func (o Options) checkAllowed() error {
	for _, host := range o.AllowHTTP {
		u, err := url.Parse("http://" + host)
		if ip := net.ParseIP(host); ip == nil && (err != nil || host == "" || u.Hostname() != host) {
			return misconfigured("a host is a name or an address, like dynamodb-local: no scheme, no port", "%q is no host to allow plain http to", foreign.Text(host))
		}
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// isMetadata reports whether the host is where machines of AWS's find their credentials, without
// TLS and on the very machine: that of EC2, and those of ECS and EKS.
func isMetadata(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && (ip.IsLinkLocalUnicast() || ip.Equal(net.ParseIP("fd00:ec2::254")) || ip.Equal(net.ParseIP("fd00:ec2::23")))
}

// checkEndpoints refuses to send credentials and items in the clear to another machine, before
// anything is sent: whatever the service, and whether it is asked or not.
func (a *Account) checkEndpoints() error {
	for _, service := range []struct {
		name string
		base *string
	}{
		{"DynamoDB", a.Tables().Options().BaseEndpoint},
		{"DynamoDB Streams", dynamodbstreams.NewFromConfig(a.Config).Options().BaseEndpoint},
		{"Application Auto Scaling", a.Scaling().Options().BaseEndpoint},
		{"S3", s3.NewFromConfig(a.Config).Options().BaseEndpoint},
		{"STS", sts.NewFromConfig(a.Config).Options().BaseEndpoint},
		{"SSO", sso.NewFromConfig(a.Config).Options().BaseEndpoint},
		{"SSO OIDC", ssooidc.NewFromConfig(a.Config).Options().BaseEndpoint},
		{"Sign-In", signin.NewFromConfig(a.Config).Options().BaseEndpoint},
	} {
		if err := a.checkEndpoint(service.name, service.base); err != nil {
			return err
		}
	}
	return nil
}

// checkEndpoint is for the endpoint of one service; nil is AWS's own.
func (a *Account) checkEndpoint(service string, base *string) error {
	if base == nil {
		return nil
	}
	u, err := url.Parse(*base)
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(*base, "@"): // it would be kept with the run, and shown with the table
		return misconfigured("keys are in the profile", "%s: the endpoint of %s has a user or a password in it", a, service)
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return misconfigured("an endpoint is a URL like https://dynamodb.eu-west-1.amazonaws.com", "%s: %q is not an endpoint", a, foreign.Text(*base))
	case u.Scheme == "http" && !a.Options.mayBePlain(u.Hostname()):
		return misconfigured("use https, or an endpoint on this machine; for an engine in a container: --allow-http "+u.Hostname(),
			"%s: the endpoint %s would send everything in the clear", a, foreign.Text(*base))
	}
	return nil
}

// onlySafe has a transport refuse what goes elsewhere than asked, or in the clear, whoever makes
// the request: also the clients that the SDK makes for itself, which get credentials. A transport
// asks for a proxy before each request.
func (o Options) onlySafe(tr *http.Transport) {
	proxy := tr.Proxy
	tr.Proxy = func(r *http.Request) (*url.URL, error) {
		host := r.URL.Hostname()
		switch {
		case r.Response != nil:
			return nil, &UnsafeError{Why: "the service answered with a redirect, and none is followed"}
		case r.URL.Scheme == "http" && !o.mayBePlain(host) && !isMetadata(host):
			return nil, &UnsafeError{Why: "a request to http://" + host + " would send everything in the clear"}
		case proxy == nil:
			return nil, nil
		}
		return proxy(r)
	}
	// With HTTP/2 a transport does not ask about a connection that it has.
	tr.ForceAttemptHTTP2 = false
}

// unredirected is the client without the SDK's habit of following some redirects, items and all:
// here the redirect is the answer.
func unredirected(client aws.HTTPClient) aws.HTTPClient {
	built, ok := client.(*awshttp.BuildableClient)
	if !ok {
		return client
	}
	return &http.Client{
		Transport:     built.GetTransport(),
		Timeout:       built.GetTimeout(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
