package ddbtest

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// answerSTS answers the two calls of STS that a copy needs.
func (p *Proxy) answerSTS(r *request) *answer {
	form, err := url.ParseQuery(string(r.body))
	if err != nil {
		return r.fail("MalformedQueryString", err.Error())
	}
	switch r.op {
	case "GetCallerIdentity":
		arn, user := "arn:aws:iam::"+r.key.account.ID+":user/tester", "AIDATESTER"
		if r.key.CanExpire {
			arn, user = "arn:aws:sts::"+r.key.account.ID+":assumed-role/dynamo/session", "AROADYNAMO:session"
		}
		return stsAnswer(r.op, fmt.Sprintf("<Arn>%s</Arn><UserId>%s</UserId><Account>%s</Account>", arn, user, r.key.account.ID))
	case "AssumeRole":
		return p.assumeRole(r, form)
	}
	return r.fail("InvalidAction", "Could not find operation "+r.op)
}

// assumeRole gives out credentials of the account that the role belongs to.
func (p *Proxy) assumeRole(r *request, form url.Values) *answer {
	role := form.Get("RoleArn")
	if code := form.Get("TokenCode"); code != "" && !p.account.world.keys.takeCode(form.Get("SerialNumber"), code) {
		return r.fail("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")
	}
	for _, a := range p.account.world.accounts {
		if !strings.HasPrefix(role, "arn:aws:iam::"+a.ID+":role/") {
			continue
		}
		life := time.Hour
		if seconds, err := strconv.Atoi(form.Get("DurationSeconds")); err == nil && seconds > 0 {
			life = time.Duration(seconds) * time.Second
		}
		c := a.world.keys.issue(a, "ASIA", life)
		return stsAnswer(r.op, fmt.Sprintf(
			"<Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials>"+
				"<AssumedRoleUser><AssumedRoleId>AROADYNAMO:session</AssumedRoleId><Arn>arn:aws:sts::%s:assumed-role/dynamo/session</Arn></AssumedRoleUser>",
			c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expires.Format(time.RFC3339), a.ID))
	}
	return r.fail("AccessDenied", "User is not authorized to perform: sts:AssumeRole on resource: "+role)
}

func stsAnswer(op, result string) *answer {
	body := fmt.Sprintf(`<%sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%sResult>%s</%sResult>`+
		`<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>`, op, op, result, op, requestID(), op)
	return &answer{status: http.StatusOK, contentType: "text/xml", body: []byte(body)}
}

func requestID() string { return strings.ToUpper(randomHex(26)) }
