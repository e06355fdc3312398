// SPDX-License-Identifier: Apache-2.0

// The whole job with msgraph-sdk-go and azidentity. Of delta it can build the one of a meeting's recordings; the others by URL.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	kiotaidentity "github.com/microsoft/kiota-authentication-azure-go"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	textserialization "github.com/microsoft/kiota-serialization-text-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

type (
	calendarsQuery   = users.ItemCalendarsRequestBuilderGetQueryParameters
	calendarsOptions = users.ItemCalendarsRequestBuilderGetRequestConfiguration
	everyPage        = users.ItemOnlineMeetingsGetAllRecordingsmeetingOrganizerUserIdMeetingOrganizerUserIdWithStartDateTimeWithEndDateTimeGetResponseable
	deltaQuery       = users.ItemOnlineMeetingsItemRecordingsDeltaRequestBuilderGetQueryParameters
	deltaOptions     = users.ItemOnlineMeetingsItemRecordingsDeltaRequestBuilderGetRequestConfiguration
)

var (
	ctx        = context.Background()
	base, user = os.Getenv("BASE"), os.Getenv("USER")
	recordings = []string{"rec-0", "rec-1", "rec-2", "rec-3", "rec-4"}
	names      []string
)

// ---- small helpers ----

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func same(value, expected any) {
	if !reflect.DeepEqual(value, expected) {
		panic(fmt.Errorf("%v is not %v", value, expected))
	}
}

func step(name string, work func()) {
	defer func() {
		if why := recover(); why != nil {
			fmt.Printf("FAIL %s: %s\n", name, strings.Join(strings.Fields(fmt.Sprint(why)), " "))
		} else {
			fmt.Printf("ok %s\n", name)
		}
	}()
	work()
}

func p[T any](value T) *T {
	return &value
}

func sorted(list []string) []string {
	list = append([]string{}, list...)
	sort.Strings(list)
	return list
}

func namesOf(page models.CalendarCollectionResponseable) (told []string) {
	for _, one := range page.GetValue() {
		told = append(told, *one.GetName())
	}
	return sorted(told)
}

func ids(list []models.CallRecordingable) (told []string) {
	for _, one := range list {
		told = append(told, *one.GetId())
	}
	return told
}

func named(name string) *string {
	return p("name eq '" + strings.ReplaceAll(name, "'", "''") + "'")
}

func calendar(name string) models.Calendarable {
	made := models.NewCalendar()
	made.SetName(&name)
	return made
}

func refused(err error, status int, code string) {
	var refusal *odataerrors.ODataError

	if err == nil {
		panic("it was not refused")
	}
	if !errors.As(err, &refusal) {
		panic(err)
	}
	same(fmt.Sprint(refusal.ResponseStatusCode, " ", *refusal.GetErrorEscaped().GetCode()), fmt.Sprint(status, " ", code))
}

// ---- signing in ----

type fixed string

func (token fixed) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(token), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func connect(credential azcore.TokenCredential) (*core.GraphRequestAdapterBase, *users.UserItemRequestBuilder) {
	provider := must(kiotaidentity.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(credential,
		[]string{"https://graph.microsoft.com/.default"}, []string{strings.Split(os.Getenv("HOST"), ":")[0]}))
	adapter := must(core.NewGraphRequestAdapterBase(provider, core.GraphClientOptions{GraphServiceLibraryVersion: "1.89.0"}))

	adapter.SetBaseUrl(base + "/v1.0")
	return adapter, users.NewUserItemRequestBuilderInternal(map[string]string{"baseurl": base + "/v1.0", "user%2Did": user}, adapter)
}

func options() azcore.ClientOptions {
	return azcore.ClientOptions{Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: base}, Retry: policy.RetryOptions{MaxRetries: -1}}
}

func bySecret(secret string) azcore.TokenCredential {
	return must(azidentity.NewClientSecretCredential(os.Getenv("TENANT"), os.Getenv("CLIENT_ID"), secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true}))
}

func byCertificate(chain bool) azcore.TokenCredential {
	certificates, key, err := azidentity.ParseCertificates(must(os.ReadFile(os.Getenv("CERTIFICATE"))), nil)

	check(err)
	return must(azidentity.NewClientCertificateCredential(os.Getenv("TENANT"), os.Getenv("CERTIFICATE_CLIENT_ID"), certificates, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true, SendCertificateChain: chain}))
}

func signIn(credential azcore.TokenCredential) {
	_, user := connect(credential)

	same(namesOf(must(user.Calendars().Get(ctx, nil))), sorted(names))
}

func signInSteps() {
	step("sign in with a secret", func() { signIn(bySecret(os.Getenv("CLIENT_SECRET"))) })
	step("sign in with a certificate", func() { signIn(byCertificate(false)) })
	step("sign in with a certificate that is sent along", func() { signIn(byCertificate(true)) })
	step("a wrong secret is refused", func() {
		_, err := bySecret("not-the-secret-at-all").GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
		if err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
			panic(err)
		}
	})
}

func asMe() {
	adapter, _ := connect(fixed(os.Getenv("ME_TOKEN")))
	// What the root package's Me() gives; its middleware makes /me of it.
	me := users.NewUserItemRequestBuilderInternal(map[string]string{"baseurl": base + "/v1.0", "user%2Did": "me-token-to-replace"}, adapter)

	same(namesOf(must(me.Calendars().Get(ctx, nil))), sorted(names))
}

// ---- calendars ----

func listSteps(adapter abstractions.RequestAdapter, calendars *users.ItemCalendarsRequestBuilder) {
	step("list by pages with a count", func() {
		first := must(calendars.Get(ctx, &calendarsOptions{QueryParameters: &calendarsQuery{
			Select: []string{"name"}, Orderby: []string{"name asc"}, Top: p(int32(4)), Count: p(true)}}))
		same([]int{len(first.GetValue()), int(*first.GetOdataCount())}, []int{4, len(names)})
		iterator := must(core.NewPageIterator[models.Calendarable](first, adapter, models.CreateCalendarCollectionResponseFromDiscriminatorValue))
		var told []string
		check(iterator.Iterate(ctx, func(one models.Calendarable) bool {
			told = append(told, *one.GetName())
			return true
		}))
		same(sorted(told), sorted(names))
	})
	step("count by builder", func() { same(int(*must(calendars.Count().Get(ctx, nil))), len(names)) })
	for _, name := range []string{"Summer plans", "C++ club", "O'Brien & Söhne"} {
		step("filter for "+name, func() {
			same(namesOf(must(calendars.Get(ctx, &calendarsOptions{QueryParameters: &calendarsQuery{Filter: named(name)}}))), []string{name})
		})
	}
}

func calendarSteps(calendars *users.ItemCalendarsRequestBuilder) {
	var made models.Calendarable
	var link string
	delta := func() models.CalendarCollectionResponseable {
		page := must(calendars.WithUrl(link).Get(ctx, nil))
		link = *page.GetAdditionalData()["@odata.deltaLink"].(*string)
		return page
	}

	step("delta by pages", func() {
		headers := abstractions.NewRequestHeaders()
		headers.Add("Prefer", "odata.maxpagesize=4")
		var told []int
		for url := p(base + "/v1.0/users/" + user + "/calendars/delta"); url != nil; {
			page := must(calendars.WithUrl(*url).Get(ctx, &calendarsOptions{Headers: headers}))
			told = append(told, len(page.GetValue()))
			if url = page.GetOdataNextLink(); url == nil {
				link = *page.GetAdditionalData()["@odata.deltaLink"].(*string)
			}
		}
		same(told, []int{4, 2})
	})
	step("create", func() {
		made = must(calendars.Post(ctx, calendar("Made by Go"), nil))
		same(*made.GetName(), "Made by Go")
	})
	step("update", func() {
		one := calendars.ByCalendarId(*made.GetId())
		must(one.Patch(ctx, calendar("Renamed by Go"), nil))
		same(*must(one.Get(ctx, nil)).GetName(), "Renamed by Go")
	})
	step("delta with a change", func() { same(namesOf(delta()), []string{"Renamed by Go"}) })
	step("delete", func() {
		one := calendars.ByCalendarId(*made.GetId())
		check(one.Delete(ctx, nil))
		_, err := one.Get(ctx, nil)
		refused(err, 404, "ErrorItemNotFound")
	})
	step("delta with a removal", func() {
		told := delta().GetValue()
		same([]any{len(told), *told[0].GetId(), told[0].GetAdditionalData()["@removed"] != nil}, []any{1, *made.GetId(), true})
	})
	step("delta too late", func() {
		_, err := calendars.WithUrl(os.Getenv("LATE")).Get(ctx, nil)
		refused(err, 410, "SyncStateNotFound")
	})
}

// ---- recordings ----

func recordingSteps(meetings *users.ItemOnlineMeetingsRequestBuilder) {
	meeting := meetings.ByOnlineMeetingId(os.Getenv("MEETING")).Recordings()

	step("recordings by URL", func() {
		var told []string
		url := p(base + "/v1.0/users/" + user + "/onlineMeetings/getAllRecordings(meetingOrganizerUserId='" + user + "')/delta?$top=2")
		for url != nil {
			page := must(meeting.Delta().WithUrl(*url).GetAsDeltaGetResponse(ctx, nil))
			told = append(told, ids(page.GetValue())...)
			url = page.GetOdataNextLink()
		}
		same(told, recordings)
	})
	step("all recordings by URL", func() {
		// Its query parameters end in a panic of kiota-abstractions-go 1.9.3, whether they have a date or not.
		every := meetings.GetAllRecordingsmeetingOrganizerUserIdMeetingOrganizerUserIdWithStartDateTimeWithEndDateTime()
		get := func(url string) everyPage {
			return must(every.WithUrl(url).GetAsGetAllRecordingsmeetingOrganizerUserIdMeetingOrganizerUserIdWithStartDateTimeWithEndDateTimeGetResponse(ctx, nil))
		}
		first := get(base + "/v1.0/users/" + user + "/onlineMeetings/getAllRecordings(meetingOrganizerUserId='" + user +
			"',startDateTime=2024-01-15T01:00:00Z)?$top=2")
		same(ids(first.GetValue()), recordings[1:3])
		same(ids(get(*first.GetOdataNextLink()).GetValue()), recordings[3:])
	})
	step("recordings of a meeting by builder", func() {
		first := must(meeting.Delta().GetAsDeltaGetResponse(ctx, &deltaOptions{QueryParameters: &deltaQuery{Top: p(int32(3))}}))
		same(ids(first.GetValue()), recordings[:3])
		next := must(meeting.Delta().WithUrl(*first.GetOdataNextLink()).GetAsDeltaGetResponse(ctx, nil))
		same(ids(next.GetValue()), recordings[3:])
		one := must(meeting.ByCallRecordingId("rec-1").Get(ctx, nil))
		same([]string{*one.GetId(), *one.GetMeetingOrganizer().GetUser().GetId()}, []string{"rec-1", user})
	})
	step("content", func() {
		same(string(must(meeting.ByCallRecordingId("rec-0").Content().Get(ctx, nil))), "the bytes of a video")
	})
}

// ---- batch and errors ----

func lastSteps(adapter abstractions.RequestAdapter, calendars *users.ItemCalendarsRequestBuilder) {
	step("batch", func() {
		batch := core.NewBatchRequest(adapter)
		make := must(batch.AddBatchRequestStep(*must(calendars.ToPostRequestInformation(ctx, calendar("Batched"), nil))))
		find := must(batch.AddBatchRequestStep(*must(calendars.ToGetRequestInformation(ctx,
			&calendarsOptions{QueryParameters: &calendarsQuery{Filter: named("Summer plans")}}))))
		find.DependsOnItem(make)
		answers := must(batch.Send(ctx, adapter))
		made := must(core.GetBatchResponseById[models.Calendarable](answers, *make.GetId(), models.CreateCalendarFromDiscriminatorValue))
		same(*made.GetName(), "Batched")
		found := must(core.GetBatchResponseById[models.CalendarCollectionResponseable](answers, *find.GetId(),
			models.CreateCalendarCollectionResponseFromDiscriminatorValue))
		same(namesOf(found), []string{"Summer plans"})
		check(calendars.ByCalendarId(*made.GetId()).Delete(ctx, nil))
	})
	step("errors", func() {
		_, err := calendars.Post(ctx, calendar("cinema"), nil)
		refused(err, 409, "ErrorFolderExists")
		_, err = calendars.ByCalendarId("nonsense").Get(ctx, nil)
		refused(err, 400, "ErrorInvalidIdMalformed")
		_, err = calendars.Get(ctx, &calendarsOptions{QueryParameters: &calendarsQuery{Filter: p("nonsense eq 1")}})
		refused(err, 400, "ErrorInvalidUrlQuery")
		_, other := connect(fixed("nonsense"))
		_, err = other.Calendars().Get(ctx, nil)
		refused(err, 401, "InvalidAuthenticationToken")
	})
}

func main() {
	abstractions.RegisterDefaultSerializer(func() serialization.SerializationWriterFactory {
		return jsonserialization.NewJsonSerializationWriterFactory()
	})
	abstractions.RegisterDefaultDeserializer(func() serialization.ParseNodeFactory {
		return jsonserialization.NewJsonParseNodeFactory()
	})
	abstractions.RegisterDefaultDeserializer(func() serialization.ParseNodeFactory {
		return textserialization.NewTextParseNodeFactory()
	})
	check(json.NewDecoder(bytes.NewReader([]byte(os.Getenv("NAMES")))).Decode(&names))

	adapter, user := connect(fixed(os.Getenv("TOKEN")))
	signInSteps()
	step("list as /me", asMe)
	listSteps(adapter, user.Calendars())
	calendarSteps(user.Calendars())
	recordingSteps(user.OnlineMeetings())
	lastSteps(adapter, user.Calendars())
	fmt.Println("done")
}
