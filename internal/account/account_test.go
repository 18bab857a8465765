package account

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func TestMain(m *testing.M) {
	for _, v := range os.Environ() { // not the caller's: a profile, or a bundle of certificates
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}

// A service answers in the place of all of AWS, in fake time.
type service func(r *http.Request) (*http.Response, error)

func (s service) Do(r *http.Request) (*http.Response, error) { return s(r) }

// reply is an answer; its Date is right.
func reply(status int, body string) *http.Response {
	header := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: header, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
}

const described = `{"Table":{"TableArn":"arn:aws:dynamodb:eu-west-1:111111111111:table/orders","TableName":"orders","TableStatus":"ACTIVE",` +
	`"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}]}}`

const assumed = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId>` +
	`<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`

const held = `{"AccessKeyId":"A","SecretAccessKey":"s","Token":"t","Expiration":"2100-01-01T00:00:00Z"}`

// container is where a container asks for credentials.
const container = "127.0.0.1"

// answer is what AWS says when nothing is wrong.
func answer(r *http.Request) *http.Response {
	if r.URL.Host == container {
		return reply(200, held)
	}
	if strings.HasPrefix(r.URL.Host, "sts.") {
		return reply(200, assumed)
	}
	return reply(200, described)
}

func refusal(status int, code, message string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Host, "sts.") {
			return reply(status, "<ErrorResponse><Error><Code>"+code+"</Code><Message>"+message+"</Message></Error></ErrorResponse>"), nil
		}
		if r.URL.Host == container {
			return asJSON(reply(status, `{"code":"`+code+`","message":"`+message+`"}`)), nil
		}
		return reply(status, `{"__type":"com.amazonaws.dynamodb.v20120810#`+code+`","message":"`+message+`"}`), nil
	}
}

func asJSON(a *http.Response) *http.Response {
	a.Header.Set("Content-Type", "application/json")
	return a
}

// broken is a body that ends before its time.
type brokenBody struct{ io.Reader }

func (b brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (brokenBody) Close() error { return nil }

// blips are what may be wrong for a while: HAZARDS X1 to X9.
var blips = map[string]service{
	"500":             refusal(500, "InternalServerError", "we are sorry"),
	"503 and no word": func(*http.Request) (*http.Response, error) { return reply(503, ""), nil },
	"throttled":       refusal(400, "ThrottlingException", "Rate exceeded"),
	"429":             func(*http.Request) (*http.Response, error) { return reply(429, ""), nil },
	"reset": func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	},
	"refused": func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	},
	"closed": func(*http.Request) (*http.Response, error) { return nil, io.EOF },
	"hangs": func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	},
	"hangs in the body": func(r *http.Request) (*http.Response, error) {
		a := reply(200, "")
		a.ContentLength, a.Body = 100, hangingBody{r.Context()}
		return a, nil
	},
	"breaks off": func(r *http.Request) (*http.Response, error) {
		a := answer(r)
		a.Body = brokenBody{io.LimitReader(a.Body, 50)}
		return a, nil
	},
	"cut short": func(r *http.Request) (*http.Response, error) {
		whole, _ := io.ReadAll(answer(r).Body)
		return reply(200, string(whole[:len(whole)/2])), nil
	},
	"empty": func(*http.Request) (*http.Response, error) { return reply(200, ""), nil },
	"{}":    func(*http.Request) (*http.Response, error) { return reply(200, "{}"), nil },
	"a page of the hotel": func(*http.Request) (*http.Response, error) {
		return reply(200, "<html><body>Welcome to the network of the hotel</body></html>"), nil
	},
}

type hangingBody struct{ ctx context.Context }

func (b hangingBody) Read([]byte) (int, error) { <-b.ctx.Done(); return 0, b.ctx.Err() }
func (hangingBody) Close() error               { return nil }

// jsonBlips are for what has checksums, and one value a body.
var jsonBlips = map[string]service{
	"bytes behind the end": func(*http.Request) (*http.Response, error) { return reply(200, described+"{}"), nil },
	"another checksum": func(*http.Request) (*http.Response, error) {
		a := reply(200, described)
		a.Header.Set("X-Amz-Crc32", "1")
		return a, nil
	},
	"no keys": func(*http.Request) (*http.Response, error) {
		return reply(200, strings.Replace(described, `"KeySchema"`, `"KeySchemas"`, 1)), nil
	},
	"a key of no type": func(*http.Request) (*http.Response, error) {
		return reply(200, strings.Replace(described, `"AttributeType":"S"`, `"AttributeType":""`, 1)), nil
	},
}

// containerBlips are errors that are none in the form of errors: the SDK's client for these cannot
// read them.
var containerBlips = map[string]service{
	"a 500 and no word": func(*http.Request) (*http.Response, error) { return asJSON(reply(500, "")), nil },
	"a 500 and null":    func(*http.Request) (*http.Response, error) { return asJSON(reply(500, "null")), nil },
	"a 400 cut short":   func(*http.Request) (*http.Response, error) { return asJSON(reply(400, `{"code":"Ac`)), nil },
	"a time that is none": func(*http.Request) (*http.Response, error) {
		return reply(200, strings.Replace(held, "2100-01", "CANARY", 1)), nil
	},
	"no secret": func(*http.Request) (*http.Response, error) {
		return reply(200, strings.Replace(held, `"s"`, `""`, 1)), nil
	},
}

// client makes a client of a profile, whose calls the service answers.
func client(t *testing.T, p *Patience, profile string, s service, options ...func(*config.LoadOptions) error) *dynamodb.Client {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	text := "[profile keys]\nregion = eu-west-1\naws_access_key_id = AKID\naws_secret_access_key = secret\n" +
		"[profile role]\nregion = eu-west-1\nrole_arn = arn:aws:iam::111111111111:role/x\nsource_profile = keys\n" +
		"[profile container]\nregion = eu-west-1\n" +
		"[profile code]\nregion = eu-west-1\nrole_arn = arn:aws:iam::111111111111:role/x\nsource_profile = keys\nmfa_serial = device\n"
	if profile == "container" {
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://"+container+"/keys")
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), append(options, config.WithSharedConfigFiles([]string{file}), config.WithSharedCredentialsFiles(nil),
		config.WithSharedConfigProfile(profile), config.WithHTTPClient(s), p.Equip,
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = s }))...)
	if err != nil {
		t.Fatal(err)
	}
	p.Adopt(&cfg)
	return dynamodb.NewFromConfig(cfg)
}

func describe(ctx context.Context, c *dynamodb.Client) (*dynamodb.DescribeTableOutput, error) {
	return c.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("orders")})
}

// eachBlip runs a test for each blip of DynamoDB, and of what credentials come from.
func eachBlip(t *testing.T, test func(t *testing.T, profile string, wrong service)) {
	inContainer := func(name string, blip service) {
		t.Run("container "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, "container", func(r *http.Request) (*http.Response, error) {
					if r.URL.Host == container {
						return blip(r)
					}
					return answer(r), nil
				})
			})
		})
	}
	for name, blip := range containerBlips {
		inContainer(name, blip)
	}
	for name, blip := range blips {
		t.Run("DynamoDB "+name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, "keys", blip) }) })
		inContainer(name, blip)
		if name == "{}" {
			continue // is no XML
		}
		t.Run("STS "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, "role", func(r *http.Request) (*http.Response, error) {
					if strings.HasPrefix(r.URL.Host, "sts.") {
						return blip(r)
					}
					return answer(r), nil
				})
			})
		})
	}
	for name, blip := range jsonBlips {
		t.Run("DynamoDB "+name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, "keys", blip) }) })
	}
}

// Eight seconds of anything end no call: also the first one, and also one for credentials.
func TestBlip(t *testing.T) {
	eachBlip(t, func(t *testing.T, profile string, wrong service) {
		began := time.Now()
		c := client(t, new(Patience), profile, func(r *http.Request) (*http.Response, error) {
			if time.Since(began) < 8*time.Second {
				return wrong(r)
			}
			return answer(r), nil
		})
		out, err := describe(t.Context(), c)
		if err != nil || aws.ToString(out.Table.TableName) != "orders" {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 8*time.Second || took > 30*time.Second { // sooner, it has believed what was wrong
			t.Errorf("it took %s", took)
		}
	})
}

// A blip of silence leaves time for another attempt, however little time there is for all of them:
// what was asked then is never answered.
func TestSilentBlip(t *testing.T) {
	for _, stall := range []time.Duration{10 * time.Second, 20 * time.Second, time.Minute} {
		for _, profile := range []string{"keys", "role"} {
			t.Run(fmt.Sprint(stall, " ", profile), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					began := time.Now()
					_, err := describe(t.Context(), client(t, &Patience{Stall: stall}, profile, func(r *http.Request) (*http.Response, error) {
						if time.Since(began) < 8*time.Second {
							return blips["hangs"](r)
						}
						return answer(r), nil
					}))
					if err != nil {
						t.Errorf("after %s: %v", time.Since(began), err)
					}
				})
			})
		}
	}
}

// What never ends ends the call, in the stall time and one attempt; what makes no sense, sooner.
func TestGivesUp(t *testing.T) {
	for _, stall := range []time.Duration{2 * time.Second, time.Minute, 0} {
		t.Run(stall.String(), func(t *testing.T) {
			eachBlip(t, func(t *testing.T, profile string, wrong service) {
				began := time.Now()
				requests := 0
				_, err := describe(t.Context(), client(t, &Patience{Stall: stall}, profile, func(r *http.Request) (*http.Response, error) {
					requests++
					return wrong(r)
				}))
				limit := stall
				if limit == 0 {
					limit = DefaultStall
				}
				if errors.As(err, new(*GarbledError)) {
					limit = min(limit, garbledTime)
				}
				if took := time.Since(began); err == nil || took > limit+attemptLimit {
					t.Errorf("after %s: %v", took, err)
				}
				if c := Classify(err); c != Transient && c != Throttled {
					t.Errorf("class %d of %v", c, err)
				}
				if text := Explain(err).Error(); strings.Count(text, "gave up after ") != 1 || strings.ContainsAny(text, "\n<") || strings.Contains(text, "CANARY") {
					t.Errorf("%q", text)
				}
				if requests > 500 {
					t.Errorf("%d requests", requests)
				}
			})
		})
	}
}

// Whoever calls it off need not wait, not even for credentials.
func TestCalledOff(t *testing.T) {
	eachBlip(t, func(t *testing.T, profile string, wrong service) {
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(4*time.Second, func() { cancel(why) })
		began := time.Now()
		if _, err := describe(ctx, client(t, new(Patience), profile, wrong)); err == nil || time.Since(began) > 4*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	}) // and the bubble holds that nothing goes on
}

// The codes that mean "not now" are no end; those that mean "no" are one at once.
func TestCodes(t *testing.T) {
	backup := func(ctx context.Context, c *dynamodb.Client) error {
		_, err := c.CreateBackup(ctx, &dynamodb.CreateBackupInput{TableName: aws.String("orders"), BackupName: aws.String("b-1")})
		return err
	}
	restore := func(ctx context.Context, c *dynamodb.Client) error {
		_, err := c.RestoreTableFromBackup(ctx, &dynamodb.RestoreTableFromBackupInput{TargetTableName: aws.String("orders"), BackupArn: aws.String("arn:aws:dynamodb:eu-west-1:111111111111:table/orders/backup/01")})
		return err
	}
	create := func(ctx context.Context, c *dynamodb.Client) error {
		_, err := c.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String("orders"), KeySchema: []types.KeySchemaElement{}, AttributeDefinitions: []types.AttributeDefinition{}})
		return err
	}
	update := func(ctx context.Context, c *dynamodb.Client) error {
		_, err := c.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: aws.String("orders")})
		return err
	}
	const made = `{"BackupDetails":{"BackupArn":"arn:x","BackupStatus":"CREATING"},"TableDescription":{"TableArn":"arn:y","TableStatus":"CREATING"}}`
	for _, c := range []struct {
		name    string
		call    func(context.Context, *dynamodb.Client) error
		code    string
		message string
		passes  bool
	}{
		{"backups are being enabled", backup, "ContinuousBackupsUnavailableException", "Backups are being enabled for the table: orders. Please retry later", true},
		{"the table is in use", backup, "TableInUseException", "in use", true},
		{"a backup is in use", backup, "BackupInUseException", "ongoing conflicting operation", true},
		{"too many backups at once", backup, "LimitExceededException", "limit", true},
		{"no such table", backup, "TableNotFoundException", "none", false},
		{"no permission", backup, "AccessDeniedException", "no", false},
		{"the backup is in use", restore, "BackupInUseException", "in use", true},
		{"too many restores at once", restore, "LimitExceededException", "limit", true},
		{"the name is taken", restore, "TableAlreadyExistsException", "exists", false},
		{"the backup is gone", restore, "BackupNotFoundException", "none", false},
		{"the name is taken", create, "ResourceInUseException", "Table already exists", false},
		{"as many tables as may be", create, "LimitExceededException", "too many tables", false},
		{"as many tables at once as may be", create, "LimitExceededException", "Only 500 tables can be created simultaneously", true},
		{"the table is being changed", update, "ResourceInUseException", "being updated", true},
		{"no more decreases today", update, "LimitExceededException", "decreases are limited", false},
	} {
		t.Run(c.name+", "+c.code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				cl := client(t, new(Patience), "keys", func(r *http.Request) (*http.Response, error) {
					if requests++; requests <= 6 {
						return refusal(400, c.code, c.message)(r)
					}
					return reply(200, made), nil
				})
				err := c.call(t.Context(), cl)
				if c.passes && (err != nil || requests != 7) || !c.passes && (err == nil || requests != 1) {
					t.Errorf("%d requests, %v", requests, err)
				}
				if !c.passes && Explain(err).Error() != c.code+": "+c.message {
					t.Errorf("%v", Explain(err))
				}
			})
		})
	}
}

// Whoever is asked for a code may take any time, and is asked once.
func TestCodeTakesItsTime(t *testing.T) {
	for _, stall := range []time.Duration{time.Second, 0} {
		for _, equipped := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				p := &Patience{Stall: stall}
				asked := 0
				c := client(t, p, "code", func(r *http.Request) (*http.Response, error) { return answer(r), r.Context().Err() },
					config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
						o.TokenProvider = func() (string, error) {
							return p.Ask(func() (string, error) { asked++; time.Sleep(20 * time.Minute); return "123456", nil })
						}
					}))
				_, err := describe(t.Context(), c)
				if !equipped {
					asked = 0
					p.Refresh()
					once := dynamodb.New(c.Options(), func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
					err = new(Patience).Retry(WithStall(t.Context(), stall), func(ctx context.Context) error {
						_, err := describe(ctx, once)
						return err
					})
				}
				if err != nil || asked != 1 {
					t.Errorf("stall time %s, equipped %t: asked %d times, %v", stall, equipped, asked, err)
				}
			})
		}
	}
}

// Credentials that have expired are fetched anew, and no more often than a few times.
func TestStale(t *testing.T) {
	for _, mended := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			fetched, stale := 0, true
			c := client(t, new(Patience), "role", func(r *http.Request) (*http.Response, error) {
				if strings.HasPrefix(r.URL.Host, "sts.") {
					if fetched++; fetched > 1 && mended {
						stale = false
					}
					return answer(r), nil
				}
				if stale {
					return refusal(400, "ExpiredTokenException", "expired")(r)
				}
				return answer(r), nil
			})
			_, err := describe(t.Context(), c)
			if (err == nil) != mended || fetched < 2 || fetched > 1+refreshes || !mended && Classify(err) != Stale {
				t.Errorf("mended %t: fetched %d times, %v", mended, fetched, err)
			}
		})
	}
}

// A clock that is off is learnt from the answer.
func TestSkew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := time.Hour
		c := client(t, new(Patience), "keys", func(r *http.Request) (*http.Response, error) {
			signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
			if err != nil {
				t.Error(err)
			}
			a := answer(r)
			if off := time.Now().Add(ahead).Sub(signed); off.Abs() > 5*time.Minute {
				a, _ = refusal(400, "InvalidSignatureException", "Signature expired")(r)
			}
			a.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			return a, nil
		})
		for range 2 {
			if _, err := describe(t.Context(), c); err != nil {
				t.Error(err)
			}
		}
	})
}

// A host that was never there is a mistake; one that has answered comes back.
func TestStranger(t *testing.T) {
	nowhere := func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}
	}
	for _, c := range []struct {
		name  string
		wrong service
		limit time.Duration
		retry bool // by Retry
	}{
		{"no such host", nowhere, 0, false}, {"nobody listens", blips["refused"], strangerLimit, false},
		{"no such host", nowhere, 0, true}, {"nobody listens", blips["refused"], strangerLimit, true},
	} {
		for _, known := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var fails atomic.Bool
				cl := client(t, new(Patience), "keys", func(r *http.Request) (*http.Response, error) {
					if fails.Load() {
						return c.wrong(r)
					}
					return answer(r), nil
				})
				call := describe
				if c.retry {
					once := dynamodb.New(cl.Options(), func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
					call = func(ctx context.Context, _ *dynamodb.Client) (out *dynamodb.DescribeTableOutput, err error) {
						return out, new(Patience).Retry(ctx, func(ctx context.Context) error { out, err = describe(ctx, once); return err })
					}
				}
				if known {
					if _, err := describe(t.Context(), cl); err != nil {
						t.Fatal(err)
					}
				}
				fails.Store(true)
				began := time.Now()
				time.AfterFunc(time.Minute, func() { fails.Store(false) })
				_, err := call(t.Context(), cl)
				if took := time.Since(began); (err == nil) != known || !known && took > c.limit {
					t.Errorf("%s, by Retry %t, known %t: after %s, %v", c.name, c.retry, known, took, err)
				}
			})
		}
	}
}

// What an error says it is, is not more than it says: above all, not every error without an answer
// is about credentials. answeredWith is an error as an answer with that status brings it.
func answeredWith(status int, err error) error {
	return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err}
}

func TestClassify(t *testing.T) {
	invalid := func() error {
		_, err := dynamodb.New(dynamodb.Options{Region: "eu-west-1"}).DescribeTable(context.Background(), &dynamodb.DescribeTableInput{})
		return err
	}()
	for _, c := range []struct {
		name string
		err  error
		want Class
	}{
		{"a check of the SDK's own", invalid, Fatal},
		{"no credentials", &smithy.OperationError{ServiceID: "DynamoDB", Err: &CredentialsError{errors.New("static credentials are empty")}}, Credentials},
		{"nobody who knows the machine", &CredentialsError{&smithy.OperationError{ServiceID: metadata, Err: context.DeadlineExceeded}}, Credentials},
		{"a role that may not be assumed", &CredentialsError{&smithy.GenericAPIError{Code: "AccessDenied"}}, Denied},
		{"a session that is over", &CredentialsError{&smithy.GenericAPIError{Code: "UnauthorizedException"}}, Credentials},
		{"STS is not there", &CredentialsError{&net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}}, Transient},
		{"called off", fmt.Errorf("x: %w", context.Canceled), Fatal},
		{"a fault of the server's", &smithy.GenericAPIError{Code: "Unheard", Fault: smithy.FaultServer}, Transient},
		{"a code that nobody knows", &smithy.GenericAPIError{Code: "Unheard", Fault: smithy.FaultClient}, Fatal},
		{"a table that is not there", &types.ResourceNotFoundException{}, Missing},
		{"a bucket that is not there", &smithy.GenericAPIError{Code: "NoSuchBucket", Fault: smithy.FaultClient}, Missing},
		{"a table that is in the way", &types.TableAlreadyExistsException{}, State},
		{"an engine without backups", answeredWith(501, &smithy.GenericAPIError{Code: "NotImplemented", Fault: smithy.FaultServer}), Unsupported},
		{"none", nil, Fatal},
	} {
		if got := Classify(c.err); got != c.want {
			t.Errorf("%s: %d, want %d: %v", c.name, got, c.want, c.err)
		}
	}
}

// Whatever came back, or did not, is said in words of ours: the SDK's are about how it reads
// answers.
func TestExplain(t *testing.T) {
	page := func(status int) service {
		return func(*http.Request) (*http.Response, error) { return reply(status, "<html>no such gateway</html>"), nil }
	}
	nowhere := func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}
	}
	for _, c := range []struct {
		name, profile string
		wrong         service
		want          string
	}{
		{"a page of a gateway", "keys", page(502), "gave up after 2s: HTTP status 502 Bad Gateway"},
		{"a page of a gateway", "role", page(502), "STS AssumeRole: gave up after 2s: HTTP status 502 Bad Gateway"},
		{"a page of a firewall", "keys", page(403), "HTTP status 403 Forbidden"},
		{"a page of a hotel", "keys", page(200), "gave up after 2s: the answer is no JSON object"},
		{"a page of a hotel", "role", page(200), "STS AssumeRole: gave up after 2s: the answer cannot be read"},
		{"no word", "keys", blips["503 and no word"], "gave up after 2s: HTTP status 503 Service Unavailable"},
		{"nobody listens", "keys", blips["refused"], "gave up after 2s: cannot reach dynamodb.eu-west-1.amazonaws.com: connection refused"},
		{"nobody listens", "role", blips["refused"], "STS AssumeRole: gave up after 2s: cannot reach sts.eu-west-1.amazonaws.com: connection refused"},
		{"reset", "keys", blips["reset"], "gave up after 2s: the connection to dynamodb.eu-west-1.amazonaws.com broke: connection reset by peer"},
		{"closed", "keys", blips["closed"], "gave up after 2s: the connection to dynamodb.eu-west-1.amazonaws.com broke: EOF"},
		{"no such host", "keys", nowhere, "cannot reach dynamodb.eu-west-1.amazonaws.com: no such host"},
	} {
		synctest.Test(t, func(t *testing.T) {
			http := func(r *http.Request) (*http.Response, error) {
				if strings.HasPrefix(r.URL.Host, "sts.") == (c.profile == "role") {
					a, err := c.wrong(r)
					if err != nil { // as net/http has it
						err = &url.Error{Op: "Post", URL: r.URL.String(), Err: err}
					}
					return a, err
				}
				return answer(r), nil
			}
			_, err := describe(t.Context(), client(t, &Patience{Stall: 2 * time.Second}, c.profile, http))
			if text := Explain(err).Error(); text != c.want {
				t.Errorf("%s: %q, want %q", c.name, text, c.want)
			}
		})
	}
}

func TestWait(t *testing.T) {
	why := errors.New("why")
	for _, c := range []struct {
		name string
		look func(n int, gone time.Duration) (string, bool, error)
		want error
		gone time.Duration // at least, and at most a minute more
	}{
		{"done at once", func(int, time.Duration) (string, bool, error) { return "ACTIVE", true, nil }, nil, 0},
		{"done in an hour, and something moves", func(_ int, gone time.Duration) (string, bool, error) { return "", gone > time.Hour, nil }, nil, time.Hour},
		{"one state after the other", func(_ int, gone time.Duration) (string, bool, error) {
			return fmt.Sprint(gone.Truncate(10 * time.Minute)), gone > time.Hour, nil
		}, nil, time.Hour},
		{"for ever the same", func(int, time.Duration) (string, bool, error) { return "CREATING", false, nil }, new(GaveUpError), DefaultStall},
		{"an error", func(n int, _ time.Duration) (string, bool, error) {
			if n == 3 {
				return "", false, why
			}
			return "CREATING", false, nil
		}, why, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, n := time.Now(), 0
			err := new(Patience).Wait(t.Context(), 5*time.Second, func() (string, bool, error) { n++; return c.look(n, time.Since(began)) })
			took, same := time.Since(began), errors.Is(err, c.want)
			if errors.As(c.want, new(*GaveUpError)) {
				same = errors.As(err, new(*GaveUpError))
			}
			if !same || took < c.gone || took > c.gone+time.Minute {
				t.Errorf("%s: %v after %s and %d looks", c.name, err, took, n)
			}
		})
	}
}

// A token that comes back, at any distance, is the end of a list that has none.
func TestPages(t *testing.T) {
	for period := range 4 {
		asked := 0
		err := Pages(func(token string) (string, error) {
			asked++
			if period == 0 && asked == 5 {
				return "", nil
			}
			if asked > 100 {
				return "", errors.New("for ever")
			}
			if period == 0 || asked < 3 {
				return fmt.Sprint(asked), nil
			}
			return fmt.Sprint("again ", asked%period), nil
		})
		if period == 0 && (err != nil || asked != 5) || period > 0 && !errors.Is(err, ErrRepeats) {
			t.Errorf("period %d: %d pages, %v", period, asked, err)
		}
	}
}

func TestCheckBody(t *testing.T) {
	for _, body := range []string{"{}", " {}\n", ""} {
		if err := checkBody(http.Header{}, 200, []byte(body)); err != nil {
			t.Errorf("%q: %v", body, err)
		}
	}
	for _, body := range []string{"[]", "{}{}", `{"a":`, "x"} {
		if err := checkBody(http.Header{}, 200, []byte(body)); err == nil {
			t.Errorf("%q is taken for an answer", body)
		}
	}
	if err := checkBody(http.Header{"X-Amz-Crc32": {"907060870"}}, 400, bytes.TrimSpace([]byte("hello"))); err != nil {
		t.Error(err)
	}
}
