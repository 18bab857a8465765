package ddbtest

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// scalingTarget is what X-Amz-Target begins with for Application Auto Scaling.
const scalingTarget = "AnyScaleFrontendService."

// AutoScaling makes a client of Application Auto Scaling that goes through the
// proxy, as the product's does. It needs WithMoto.
func (a *Account) AutoScaling() *applicationautoscaling.Client {
	return applicationautoscaling.New(applicationautoscaling.Options{
		Region: a.Region, BaseEndpoint: aws.String(a.Endpoint()), Credentials: credentials.StaticCredentialsProvider{Value: a.keys},
	})
}

// nameResource finds the table that a call of Application Auto Scaling is about.
func (r *request) nameResource() {
	id := memberString(r.body, "ResourceId")
	for first := range elements(member(r.body, "ResourceIds")) {
		id = unquote(first)
		break
	}
	r.table = tableOf(id)
}

func tableOf(resource string) string {
	name, _ := strings.CutPrefix(resource, "table/")
	name, _, _ = strings.Cut(name, "/")
	return name
}

// answerScaling has moto answer, and mends where moto 5 is not AWS. What was
// seen: a missing target, policy or action is a ValidationException, or nothing at all; a
// policy or action may be put without a target; a target that goes leaves its policies and
// actions behind; a token leads to the wrong page; a resource is found by a part of its
// name; SuspendedState is missing until it is set; any table may be registered.
func (p *Proxy) answerScaling(r *request) *answer {
	if p.account.world.moto == nil {
		return r.fail("UnknownOperationException", "")
	}
	a := p.scalingAnswer(r)
	r.applied = a.status == http.StatusOK
	a.contentType = "application/x-amz-json-1.1"
	return a
}

func (p *Proxy) scalingAnswer(r *request) *answer {
	switch r.op {
	case "DescribeScalableTargets":
		return p.page(r, "ScalableTargets", 50)
	case "DescribeScalingPolicies":
		return p.page(r, "ScalingPolicies", 10)
	case "DescribeScheduledActions":
		return p.page(r, "ScheduledActions", 50)
	case "RegisterScalableTarget":
		if a := p.checkTarget(r); a != nil {
			return a
		}
	case "DeregisterScalableTarget":
		if !p.targetExists(r) {
			return r.noObject("No scalable target found", "")
		}
		return p.deregister(r)
	case "PutScalingPolicy":
		if !p.targetExists(r) {
			return r.noObject("No scalable target registered", "")
		}
		if a := p.checkPolicy(r); a != nil {
			return a
		}
	case "PutScheduledAction":
		if !p.targetExists(r) {
			return r.noObject("No scalable target registered", "")
		}
	case "DeleteScalingPolicy":
		if !p.named(r, "DescribeScalingPolicies", "ScalingPolicies", "PolicyName") {
			return r.noObject("No scaling policy found", ", policy name: "+memberString(r.body, "PolicyName"))
		}
	case "DeleteScheduledAction":
		if !p.named(r, "DescribeScheduledActions", "ScheduledActions", "ScheduledActionName") {
			return r.noObject("No scheduled action found", ", scheduled action name: "+memberString(r.body, "ScheduledActionName"))
		}
	default:
		return r.fail("UnknownOperationException", "")
	}
	a := p.askMoto(r, r.op, r.body)
	if r.op == "RegisterScalableTarget" && a.status == http.StatusOK {
		p.account.targets.Store(r.target(), true)
	}
	return a
}

// target names the request's scalable target.
func (r *request) target() string {
	return memberString(r.body, "ResourceId") + " " + memberString(r.body, "ScalableDimension")
}

// askMoto sends moto a call that may be another than the one on its way.
func (p *Proxy) askMoto(r *request, op string, body []byte) *answer {
	as := &http.Request{Header: r.http.Header.Clone()}
	as.Header.Set("X-Amz-Target", scalingTarget+op)
	a := p.forward(as, p.account.world.moto.url, body)
	a.replaceBody(a.body)
	a.noCRC = true // as AWS: only DynamoDB sends a checksum
	return a
}

// noObject is how AWS says that something is not there.
func (r *request) noObject(text, more string) *answer {
	return r.fail("ObjectNotFoundException", text+" for service namespace: dynamodb, resource ID: "+memberString(r.body, "ResourceId")+
		", scalable dimension: "+memberString(r.body, "ScalableDimension")+more)
}

// scalingPage is how much one answer holds: little, so that whoever stops at
// the first page is found out. AWS may answer with as little.
const scalingPage = 3

// page answers a list with a page of it.
func (p *Proxy) page(r *request, name string, most int) *answer {
	all, a := p.objects(r, r.op, name, memberString(r.body, "ResourceId"), memberString(r.body, "ScalableDimension"))
	if a != nil {
		return a
	}
	if n, err := strconv.Atoi(string(member(r.body, "MaxResults"))); err == nil {
		if n < 1 || n > most {
			return r.fail("ValidationException", "MaxResults must be between 1 and "+strconv.Itoa(most))
		}
		most = n
	}
	from := 0
	if token := member(r.body, "NextToken"); token != nil && !bytes.Equal(token, []byte("null")) {
		text, ok := strings.CutPrefix(unquote(token), "from-")
		n, err := strconv.Atoi(text)
		if !ok || err != nil || n > len(all) {
			return r.fail("InvalidNextTokenException", "Invalid token")
		}
		from = n
	}
	to := min(len(all), from+most, from+scalingPage)
	out := object{{name, list("", all[from:to])}}
	if to < len(all) {
		out = append(out, pair{"NextToken", quote("from-" + strconv.Itoa(to))})
	}
	done := jsonAnswer(http.StatusOK, out.json())
	done.noCRC = true
	return done
}

// objects are all of moto's objects of a kind, as AWS would show them. An empty
// resource or dimension is any.
func (p *Proxy) objects(r *request, op, name, resource, dimension string) ([][]byte, *answer) {
	in := object{{"ServiceNamespace", quote("dynamodb")}, {"MaxResults", []byte("100000")}}
	switch ids := member(r.body, "ResourceIds"); {
	case op != "DescribeScalableTargets" && resource != "":
		in = append(in, pair{"ResourceId", quote(resource)})
	case op == "DescribeScalableTargets" && resource != "":
		in = append(in, pair{"ResourceIds", list("", [][]byte{quote(resource)})})
	case op == "DescribeScalableTargets" && ids != nil:
		in = append(in, pair{"ResourceIds", ids})
	}
	a := p.askMoto(r, op, in.json())
	if a.status != http.StatusOK {
		return nil, a
	}
	names := map[string]bool{}
	for _, filter := range []string{"PolicyNames", "ScheduledActionNames"} {
		for n := range elements(member(r.body, filter)) {
			names[unquote(n)] = true
		}
	}
	var all [][]byte
	for o := range elements(member(a.body, name)) {
		own := memberString(o, "PolicyName") + memberString(o, "ScheduledActionName")
		if resource != "" && memberString(o, "ResourceId") != resource || dimension != "" && memberString(o, "ScalableDimension") != dimension ||
			len(names) > 0 && !names[own] {
			continue
		}
		all = append(all, asAWS(o, op == "DescribeScalableTargets"))
	}
	return all, nil
}

// asAWS leaves out what is null, and says of a target what is suspended.
func asAWS(o []byte, target bool) []byte {
	var out object
	for name, value := range members(o) {
		if !bytes.Equal(value, []byte("null")) {
			out = append(out, pair{name, value})
		}
	}
	if !target {
		return out.json()
	}
	given := member(o, "SuspendedState")
	var state object
	for _, name := range []string{"DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"} {
		value := member(given, name)
		if value == nil {
			value = []byte("false")
		}
		state = append(state, pair{name, value})
	}
	return withMember(out.json(), "SuspendedState", state.json())
}

// targetExists reports whether the request's scalable target is registered. All
// registrations pass here, and moto is slow to ask.
func (p *Proxy) targetExists(r *request) bool {
	_, ok := p.account.targets.Load(r.target())
	return ok
}

// named reports whether there is an object of the request's name.
func (p *Proxy) named(r *request, op, list, name string) bool {
	all, a := p.objects(r, op, list, memberString(r.body, "ResourceId"), memberString(r.body, "ScalableDimension"))
	return a == nil && slices.ContainsFunc(all, func(o []byte) bool { return memberString(o, name) == memberString(r.body, name) })
}

// checkTarget refuses a range or a resource that AWS would refuse.
func (p *Proxy) checkTarget(r *request) *answer {
	resource := memberString(r.body, "ResourceId")
	d, err := p.account.client.DescribeTable(p.account.world.ctx, &dynamodb.DescribeTableInput{TableName: aws.String(r.table)})
	if err != nil {
		return r.fail("ValidationException", "DynamoDB table does not exist: "+resource)
	}
	if _, index, found := strings.Cut(resource, "/index/"); found {
		known := false
		for _, g := range d.Table.GlobalSecondaryIndexes {
			known = known || aws.ToString(g.IndexName) == index
		}
		if !known {
			return r.fail("ValidationException", "DynamoDB index does not exist: "+resource)
		}
	}
	least, missingLeast := strconv.Atoi(string(member(r.body, "MinCapacity")))
	most, missingMost := strconv.Atoi(string(member(r.body, "MaxCapacity")))
	switch {
	case (missingLeast != nil || missingMost != nil) && !p.targetExists(r):
		return r.fail("ValidationException", "Both MinCapacity and MaxCapacity must be specified when registering a scalable target")
	case missingLeast == nil && missingMost == nil && (least < 1 || least > most):
		return r.fail("ValidationException", "Maximum capacity cannot be less than minimum capacity")
	}
	return nil
}

// checkPolicy refuses a second policy for the same metric, and a target value
// that DynamoDB does not scale by.
func (p *Proxy) checkPolicy(r *request) *answer {
	configuration := member(r.body, "TargetTrackingScalingPolicyConfiguration")
	if configuration == nil {
		return nil
	}
	value, err := strconv.ParseFloat(string(member(configuration, "TargetValue")), 64)
	if err != nil || value < 20 || value > 90 {
		return r.fail("ValidationException", "Target utilization must be between 20 and 90")
	}
	metric := memberString(member(configuration, "PredefinedMetricSpecification"), "PredefinedMetricType")
	all, a := p.objects(&request{http: r.http}, "DescribeScalingPolicies", "ScalingPolicies", memberString(r.body, "ResourceId"), memberString(r.body, "ScalableDimension"))
	if a != nil {
		return a
	}
	for _, o := range all {
		other := memberString(member(member(o, "TargetTrackingScalingPolicyConfiguration"), "PredefinedMetricSpecification"), "PredefinedMetricType")
		if metric != "" && other == metric && memberString(o, "PolicyName") != memberString(r.body, "PolicyName") {
			return r.fail("ValidationException", "Only one TargetTrackingScaling policy for a given metric specification is allowed.")
		}
	}
	return nil
}

// deregister removes a target with its policies and scheduled actions.
func (p *Proxy) deregister(r *request) *answer {
	for _, kind := range []struct{ describe, list, remove, name string }{
		{"DescribeScalingPolicies", "ScalingPolicies", "DeleteScalingPolicy", "PolicyName"},
		{"DescribeScheduledActions", "ScheduledActions", "DeleteScheduledAction", "ScheduledActionName"},
	} {
		all, a := p.objects(r, kind.describe, kind.list, memberString(r.body, "ResourceId"), memberString(r.body, "ScalableDimension"))
		for _, o := range all {
			if a = p.askMoto(r, kind.remove, withMember(r.body, kind.name, member(o, kind.name))); a.status != http.StatusOK {
				break
			}
		}
		if a != nil && a.status != http.StatusOK {
			return a
		}
	}
	p.account.targets.Delete(r.target())
	return p.askMoto(r, r.op, r.body)
}
