package account

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Address is where an endpoint is, so that two spellings of one have the same: its IP addresses,
// port and path. All those of this machine are 127.0.0.1. A name that cannot be resolved stays; ""
// is AWS's own endpoint.
func Address(ctx context.Context, endpoint string) string {
	u, err := url.Parse(endpoint)
	if endpoint == "" || err != nil {
		return endpoint
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)])
	return strings.Join(addresses(ctx, strings.ToLower(u.Hostname())), ",") + ":" + port + strings.TrimRight(u.Path, "/")
}

const loopback = "127.0.0.1"

// lookupLimit bounds the wait for a name server; without an answer the name has to do.
const lookupLimit = 3 * time.Second

func addresses(ctx context.Context, host string) []string {
	name := strings.TrimSuffix(host, ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return []string{loopback}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	list, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil || len(list) == 0 {
		return []string{name}
	}
	for i, text := range list {
		if ip, err := netip.ParseAddr(text); err == nil && ours(ip.Unmap()) {
			list[i] = loopback
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// ours reports whether the address is one of this machine.
func ours(ip netip.Addr) bool {
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	own, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(own, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == ip.WithZone("")
	})
}
