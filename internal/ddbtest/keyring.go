package ddbtest

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// A keyring knows every credential of a world.
type keyring struct {
	mu   sync.Mutex
	keys map[string]*issued // by access key id
	used map[string]bool    // codes of MFA devices
}

type issued struct {
	aws.Credentials
	account *Account
	expired bool
}

func newKeyring() *keyring { return &keyring{keys: map[string]*issued{}, used: map[string]bool{}} }

// issue makes credentials for an account: temporary ones if they live for a while.
func (k *keyring) issue(a *Account, prefix string, life time.Duration) aws.Credentials {
	c := aws.Credentials{AccessKeyID: prefix + strings.ToUpper(randomHex(8)), SecretAccessKey: randomHex(20)}
	if life > 0 {
		c.SessionToken = "session" + randomHex(24)
		c.CanExpire, c.Expires = true, time.Now().Add(life).UTC().Truncate(time.Second)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[c.AccessKeyID] = &issued{Credentials: c, account: a}
	return c
}

// takeCode reports whether the code of a device is new. AWS takes each once.
func (k *keyring) takeCode(device, code string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh := !k.used[device+" "+code]
	k.used[device+" "+code] = true
	return fresh
}

func (k *keyring) expire(a *Account) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, i := range k.keys {
		if i.account == a && i.CanExpire {
			i.expired = true
		}
	}
}

// find returns what a key id stands for, and whether it has expired.
func (k *keyring) find(id string) (found issued, expired, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	i, ok := k.keys[id]
	if !ok {
		return issued{}, false, false
	}
	return *i, i.expired || i.CanExpire && time.Now().After(i.Expires), true
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
